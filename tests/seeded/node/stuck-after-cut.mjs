// The work ends with its connection: nobody waits for the answer any more, and nobody gives the claim back.

import { setTimeout as sleepUntilCut } from 'node:timers/promises';

import { Failure, conflict, mismatch, newPayment, replayed, serve } from './common.mjs';

serve((settings, ledger) => {
  const receipts = new Map();

  function find(request) {
    const receipt = receipts.get(request.name);
    if (!receipt || receipt.end <= Date.now()) return undefined;
    if (receipt.fingerprint !== request.fingerprint) return mismatch();
    if (receipt.answer) return replayed(receipt.answer);
    return receipt.leaseOver ? undefined : conflict();
  }

  function release(request, own) {
    if (receipts.get(request.name) === own) receipts.delete(request.name);
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
      await sleepUntilCut(request.work, undefined, { signal: request.signal });
      if (request.fail) throw new Failure();
      if (receipts.get(request.name) !== own) return find(request) ?? conflict();
      own.answer = newPayment(request);
      own.end = Date.now() + settings.ttl;
      ledger.add(request, own.answer);
      return own.answer;
    } catch (error) {
      // Failures of the handler are retried; a cut is the client's own doing.
      if (settings.fixed || error.name !== 'AbortError') release(request, own);
      throw error;
    } finally {
      clearTimeout(lease);
    }
  };
});
