// Records and answers the payment first, and makes it a moment later: a 201 promises what has not happened yet.

import { Failure, conflict, mismatch, newPayment, replayed, serve, sleep } from './common.mjs';

const LATER = 100;

serve((settings, ledger) => {
  const receipts = new Map();

  function find(request) {
    const receipt = receipts.get(request.name);
    if (!receipt || receipt.end <= Date.now()) return undefined;
    if (receipt.fingerprint !== request.fingerprint) return mismatch();
    if (receipt.answer) return replayed(receipt.answer);
    return receipt.lease <= Date.now() ? undefined : conflict();
  }

  return async (request) => {
    const found = find(request);
    if (found) return found;
    const own = { fingerprint: request.fingerprint, lease: Date.now() + settings.lease };
    receipts.set(request.name, own);

    await sleep(request.work);

    const present = receipts.get(request.name) === own;
    if (request.fail) {
      if (present) receipts.delete(request.name);
      throw new Failure();
    }
    if (!present) return find(request) ?? conflict();
    own.answer = newPayment(request);
    own.end = Date.now() + settings.ttl;
    if (settings.fixed) ledger.add(request, own.answer);
    else setTimeout(() => ledger.add(request, own.answer), LATER);
    return own.answer;
  };
});
