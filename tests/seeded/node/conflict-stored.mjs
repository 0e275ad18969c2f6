// Every answer of the layer goes through one hook that saves it: a duplicate's 409 too, if it is the first to come.

import { Failure, conflict, mismatch, newPayment, replayed, serve, sleep } from './common.mjs';

serve((settings, ledger) => {
  const receipts = new Map();

  // The first answer of a key is its answer.
  function save(receipt, answer) {
    receipt.answer ??= answer;
  }

  function find(request) {
    const receipt = receipts.get(request.name);
    if (!receipt || receipt.end <= Date.now()) return undefined;
    if (receipt.fingerprint !== request.fingerprint) return mismatch();
    if (receipt.answer) return replayed(receipt.answer);
    if (receipt.lease <= Date.now()) return undefined;
    const answer = conflict();
    if (!settings.fixed) save(receipt, answer);
    return answer;
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
    ledger.add(request, answer);
    if (!own.answer) own.end = Date.now() + settings.ttl;
    save(own, answer);
    return answer;
  };
});
