// What the seeded servers share: HTTP, the ledger of effects, the answers.

import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';

const BODY_MAX = 1024 * 1024;
// A body that is refused is still read up to here, so that its client sees the answer and not a reset.
const DRAIN_MAX = 64 * 1024 * 1024;
const KEY_MAX = 255;

/** The handler failed before its effect. */
export class Failure extends Error {}

export function problem(status, title) {
  const body = JSON.stringify({ title, status });
  return { status, headers: { 'Content-Type': 'application/problem+json' }, body };
}

export const conflict = () => problem(409, 'a request with this key is in flight');
export const mismatch = () => problem(422, 'this key was used with another body');

export function replayed(answer) {
  return { ...answer, headers: { ...answer.headers, 'Idempotency-Replayed': 'true' } };
}

export function newPayment(request) {
  const payment = randomBytes(8).toString('hex');
  let amount = null;
  try {
    amount = JSON.parse(request.body.toString()).amount ?? null;
  } catch {
    // Any bytes are a body.
  }
  const headers = {
    'Content-Type': 'application/json',
    'X-Payment-Id': payment,
    Location: `/payments/${payment}`,
  };
  return { status: 201, headers, body: JSON.stringify({ payment, amount: Number.isFinite(amount) ? amount : null }) };
}

export class Ledger {
  #payments = new Map();

  add(request, answer) {
    const payments = this.#payments.get(request.name) ?? [];
    payments.push(answer.headers['X-Payment-Id']);
    this.#payments.set(request.name, payments);
  }

  count(name) {
    return this.#payments.get(name)?.length ?? 0;
  }
}

export const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));

const unquoted = (key) => (key.length >= 2 && key.startsWith('"') && key.endsWith('"') ? key.slice(1, -1) : key);
const nameOf = (tenant, key) => JSON.stringify([tenant, key]);
// Header bytes come as Latin-1.
const text = (header) => Buffer.from(header ?? '', 'latin1').toString();

/** The bytes, or null if there are too many. */
function readBody(req) {
  return new Promise((done, cut) => {
    const chunks = [];
    let length = 0;
    req.on('data', (chunk) => {
      length += chunk.length;
      if (length <= BODY_MAX) chunks.push(chunk);
      if (length > DRAIN_MAX) req.destroy();
    });
    req.on('end', () => done(length > BODY_MAX ? null : Buffer.concat(chunks)));
    req.on('error', cut);
    req.on('close', cut);
  });
}

async function answerTo(req, res, settings, ledger, pay) {
  const url = new URL(req.url, 'http://localhost');
  const tenant = text(req.headers['x-tenant']);
  if (req.method === 'GET' && url.pathname === '/effects') {
    const effects = ledger.count(nameOf(tenant, unquoted(url.searchParams.get('key') ?? '')));
    return { status: 200, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ effects }) };
  }
  const body = await readBody(req);
  if (body === null) return problem(413, 'the body is larger than 1 MiB');
  if (req.method !== 'POST' || url.pathname !== '/pay') return problem(404, 'not found');
  const key = unquoted(text(req.headers['idempotency-key']));
  if (key.length === 0 || key.length > KEY_MAX) {
    return problem(400, `an Idempotency-Key of 1 to ${KEY_MAX} characters is needed`);
  }
  const cut = new AbortController();
  res.on('close', () => {
    if (!res.writableFinished) cut.abort();
  });
  return pay({
    name: nameOf(tenant, key),
    body,
    fingerprint: createHash('sha256').update(body).digest('hex'),
    work: Number(req.headers['x-slow'] ?? settings.work),
    fail: req.headers['x-fail'] === '1',
    // Aborted when the client has gone.
    signal: cut.signal,
  });
}

/** Starts a server; `makePay(settings, ledger)` gives its handler, from a request to an answer. */
export function serve(makePay) {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '0' },
      fixed: { type: 'boolean', default: false },
      lease: { type: 'string', default: '1000' },
      ttl: { type: 'string', default: '1500' },
      work: { type: 'string', default: '5' },
    },
  });
  const settings = {
    fixed: values.fixed,
    lease: Number(values.lease),
    ttl: Number(values.ttl),
    work: Number(values.work),
  };
  const ledger = new Ledger();
  const pay = makePay(settings, ledger);
  const server = createServer({ noDelay: true, keepAliveTimeout: 120_000 }, async (req, res) => {
    res.on('error', () => {});
    let answer;
    try {
      answer = await answerTo(req, res, settings, ledger, pay);
    } catch (error) {
      if (req.destroyed && !req.complete) return;
      if (!(error instanceof Failure) && error?.name !== 'AbortError') console.error(error);
      answer = problem(500, 'the provider is down');
    }
    if (res.destroyed) return;
    const body = Buffer.from(answer.body);
    res.writeHead(answer.status, { ...answer.headers, 'Content-Length': body.length });
    res.end(body);
  });
  server.on('clientError', (_, socket) => socket.destroy());
  server.listen({ port: Number(values.port), host: '127.0.0.1', backlog: 511 }, () => {
    console.log(`listening on 127.0.0.1:${server.address().port}`);
  });
}
