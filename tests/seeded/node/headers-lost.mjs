// The receipt has the status and the body, and no headers.

import { Failure, conflict, mismatch, newPayment, replayed, serve, sleep } from './common.mjs';

serve((settings, ledger) => {
  const receipts = new Map();

  function find(request) {
    const receipt = receipts.get(request.name);
    if (!receipt || receipt.end <= Date.now()) return undefined;
    if (receipt.fingerprint !== request.fingerprint) return mismatch();
    if (receipt.answer) {
      const { status, body, headers = { 'Content-Type': 'application/json' } } = receipt.answer;
      return replayed({ status, headers, body });
    }
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
    const answer = newPayment(request);
    const { status, headers, body } = answer;
    own.answer = settings.fixed ? { status, headers, body } : { status, body };
    own.end = Date.now() + settings.ttl;
    ledger.add(request, answer);
    return answer;
  };
});
