// A handler that throws leaves its claim behind, and takes along the timer that would have ended it.

import { Failure, conflict, mismatch, newPayment, replayed, serve, sleep } from './common.mjs';

serve((settings, ledger) => {
  const receipts = new Map();

  function find(request) {
    const receipt = receipts.get(request.name);
    if (!receipt || receipt.end <= Date.now()) return undefined;
    if (receipt.fingerprint !== request.fingerprint) return mismatch();
    if (receipt.answer) return replayed(receipt.answer);
    return receipt.leaseOver ? undefined : conflict();
  }

  return async (request) => {
    const found = find(request);
    if (found) return found;
    const own = { fingerprint: request.fingerprint, leaseOver: false };
    receipts.set(request.name, own);
    const lease = setTimeout(() => {
      own.leaseOver = true;
    }, settings.lease);

    try {
      await sleep(request.work);
      if (request.fail) throw new Failure();
      if (receipts.get(request.name) !== own) return find(request) ?? conflict();
      own.answer = newPayment(request);
      own.end = Date.now() + settings.ttl;
      ledger.add(request, own.answer);
      return own.answer;
    } catch (error) {
      if (settings.fixed && receipts.get(request.name) === own) receipts.delete(request.name);
      throw error;
    } finally {
      clearTimeout(lease);
    }
  };
});
