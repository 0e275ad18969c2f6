// A failure is a result like any other: the 500 of a bad moment is the answer of this key from then on.

import { Failure, conflict, mismatch, newPayment, problem, replayed, serve, sleep } from './common.mjs';

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
      if (settings.fixed) {
        if (present) receipts.delete(request.name);
        throw new Failure();
      }
      // Kept until somebody has looked at it.
      own.answer = problem(500, 'the provider is down');
      return own.answer;
    }
    if (!present) return find(request) ?? conflict();
    own.answer = newPayment(request);
    own.end = Date.now() + settings.ttl;
    ledger.add(request, own.answer);
    return own.answer;
  };
});
