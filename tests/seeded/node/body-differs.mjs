// The receipt has the payment, and the answer is written anew from it for each request.

import { randomUUID } from 'node:crypto';

import { Failure, conflict, mismatch, newPayment, replayed, serve, sleep } from './common.mjs';

serve((settings, ledger) => {
  const receipts = new Map();

  function render(payment) {
    const body = { ...JSON.parse(payment.body), request_id: randomUUID(), served_at: new Date().toISOString() };
    return { ...payment, body: JSON.stringify(body) };
  }

  function find(request) {
    const receipt = receipts.get(request.name);
    if (!receipt || receipt.end <= Date.now()) return undefined;
    if (receipt.fingerprint !== request.fingerprint) return mismatch();
    if (receipt.payment) return replayed(settings.fixed ? receipt.answer : render(receipt.payment));
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
    own.payment = newPayment(request);
    own.answer = render(own.payment);
    own.end = Date.now() + settings.ttl;
    ledger.add(request, own.payment);
    return own.answer;
  };
});
