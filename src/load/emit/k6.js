// Bursts of requests under one idempotency key, for k6; written by `idemcheck load --emit k6`.
//
//     k6 run --log-format raw --console-output history.jsonl SCRIPT
//
// The console is the history, which `idemcheck check-history history.jsonl` judges: a new file for each run. k6's own
// thresholds judge the rest: answers that nobody expects, how long they take, and keys with more than one effect.
// k6 tells time in whole milliseconds; intervals are widened accordingly.

import { sleep } from 'k6';
import crypto from 'k6/crypto';
import http from 'k6/http';
import { Counter, Rate } from 'k6/metrics';

const PLAN = IDEMCHECK_PLAN;

// Between the start of the run and the first burst.
const LEAD_MS = 1000;
const HOP_BY_HOP = ['connection', 'keep-alive', 'transfer-encoding'];

const duplicated = new Counter('idemcheck_duplicated_keys');
const expected = new Rate('idemcheck_expected_answers');

const CLOSE_MS = PLAN.patience_ms + PLAN.settle_ms + 1000;

export const options = {
  scenarios: {
    bursts: {
      executor: 'per-vu-iterations',
      exec: 'takePart',
      vus: PLAN.size,
      iterations: PLAN.bursts,
      maxDuration: `${LEAD_MS + PLAN.bursts * PLAN.period_ms + CLOSE_MS}ms`,
    },
    counts: {
      executor: 'per-vu-iterations',
      exec: 'count',
      vus: 1,
      iterations: 1,
      maxDuration: `${LEAD_MS + (PLAN.bursts + 1) * PLAN.period_ms + 2 * CLOSE_MS + PLAN.bursts * 1000}ms`,
    },
  },
  thresholds: {
    idemcheck_duplicated_keys: ['count==0'],
    idemcheck_expected_answers: ['rate>0.99'],
    http_req_duration: [`p(99)<${PLAN.patience_ms}`],
  },
};

// A record, with moments in milliseconds from the start of the run. k6 cuts them off: an end is up to one later.
function write(record, start, end, data) {
  const moment = (ms) => (ms - data.origin) * 1000000;
  const times = { start: moment(start) };
  if (end !== undefined) times.end = moment(end + 1);
  console.log(JSON.stringify(Object.assign(record, times)));
}

function startOf(burst, data) {
  return data.origin + LEAD_MS + burst * PLAN.period_ms;
}

function keyOf(burst, data) {
  return `idemcheck-${data.origin.toString(16)}-${burst}`;
}

function sleepUntil(moment) {
  const left = moment - Date.now();
  if (left > 0) sleep(left / 1000);
}

function triesOthers(burst) {
  return PLAN.other !== null && burst % 4 === 3;
}

function triesConflicts(burst) {
  return PLAN.conflicting !== null && burst % 4 === 1;
}

function subject(key, other) {
  return other ? `${key} of somebody else` : key;
}

function fill(text, key, n, side) {
  const places = new Map(side.values);
  places.set('key', key).set('n', String(n));
  places.set('random', String(parseInt(crypto.sha256(key, 'hex').slice(0, 13), 16)));
  return text.replace(/\{\{([^]*?)\}\}/g, (whole, name) => {
    const value = places.get(name.trim());
    return value === undefined ? whole : value;
  });
}

function headersOf(key, n, side) {
  const headers = {};
  for (const [name, value] of side.headers) headers[name] = fill(value, key, n, side);
  return headers;
}

// The class of an answer. What may have been executed is unknown, so that nobody is accused of it.
function outcomeOf(status) {
  if (status >= 200 && status < 300) return 'final';
  if (status === PLAN.in_flight) return 'in_flight';
  if (status === PLAN.mismatch) return 'mismatch';
  if ([PLAN.missing_key, 413, 414, 429, 431].includes(status)) return 'unavailable';
  if (status >= 400 && status < 500) return 'failed';
  return 'unknown';
}

// What an answer and its replay have in common.
function digestOf(response) {
  const headers = Object.keys(response.headers)
    .map((name) => [name.toLowerCase(), response.headers[name]])
    .filter(([name]) => !PLAN.ignore.includes(name) && !HOP_BY_HOP.includes(name));
  return crypto.sha256(JSON.stringify([response.body, headers.sort()]), 'hex').slice(0, 32);
}

function headerOf(response, wanted) {
  const name = Object.keys(response.headers).find((name) => name.toLowerCase() === wanted);
  return name === undefined ? undefined : response.headers[name];
}

export function setup() {
  console.log(JSON.stringify(PLAN.header));
  return { origin: Date.now() };
}

// One user's part in one burst, and in what comes after it.
export function takePart(data) {
  const burst = __ITER;
  const n = (__VU - 1) % PLAN.size;
  const start = startOf(burst, data);
  // Who is late takes no part.
  if (Date.now() > start + PLAN.period_ms / 8) return;
  sleepUntil(start);
  send(burst, n, false, triesConflicts(burst) && n % 4 === 3, data);
  const after = start + PLAN.period_ms / 2;
  if (Date.now() > after) return;
  sleepUntil(after);
  if (triesOthers(burst)) {
    send(burst, n, true, PLAN.conflicting !== null && burst % 8 === 7, data);
  } else if (n % 4 === 0) {
    send(burst, n, false, triesConflicts(burst) && n % 8 === 4, data);
  }
}

function send(burst, n, other, conflicting, data) {
  const key = keyOf(burst, data);
  const side = other ? PLAN.other : PLAN.everybody;
  const payload = conflicting ? PLAN.conflicting : PLAN.payload;
  const url = fill(PLAN.urls[n % PLAN.urls.length], key, n, side);
  const headers = headersOf(key, n, side);
  if (PLAN.key_header !== null) headers[PLAN.key_header] = `"${key}"`;
  const parameters = { headers, redirects: 0, timeout: PLAN.patience_ms, tags: { name: 'burst' } };
  const start = Date.now();
  const response = http.request(PLAN.method, url, fill(payload.body, key, n, side), parameters);
  const end = Date.now();
  // 0 where there was no answer.
  const status = response.status;
  const outcome = status === 0 ? 'unknown' : outcomeOf(status);
  expected.add(['final', 'in_flight', 'mismatch'].includes(outcome));
  const record = {
    type: 'request',
    key: subject(key, other),
    id: `${burst}.${n}.${start - data.origin}`,
    body: payload.each ? `${payload.name} ${n}` : payload.name,
    outcome,
  };
  if (status !== 0) {
    record.status = status;
    record.replayed = headerOf(response, PLAN.replay_marker) === 'true';
    if (outcome === 'final') record.response = digestOf(response);
  }
  write(record, start, status === 0 ? undefined : end, data);
}

// How many effects of a key are counted, now.
function effectsOf(key, other) {
  const side = other ? PLAN.other : PLAN.everybody;
  const how = PLAN.effects;
  const headers = how.with_headers ? headersOf(key, 0, side) : {};
  const url = fill(how.url, key, 0, side);
  const response = http.get(url, { headers, timeout: 10000, tags: { name: 'count' } });
  if (response.status !== 200) throw new Error(`effects can't be counted: ${url} answered ${response.status}`);
  if (how.server !== null && headerOf(response, how.server[0]) !== how.server[1]) {
    throw new Error(`what answers at ${url} is no \`idemcheck sink\``);
  }
  let found = JSON.parse(response.body);
  for (const part of (how.pointer || '').split('/').slice(1)) {
    found = found[part.replace(/~1/g, '/').replace(/~0/g, '~')];
  }
  const effects = Array.isArray(found) ? found.length : found;
  if (!Number.isInteger(effects)) throw new Error(`${url} has no count`);
  return effects;
}

function counted(key, other, less) {
  const start = Date.now();
  const effects = Math.max(0, effectsOf(key, other) - less);
  return { effects, start, end: Date.now() };
}

function writeCount(key, count, data) {
  duplicated.add(count.effects > 1 ? 1 : 0);
  write({ type: 'count', key, effects: count.effects }, count.start, count.end, data);
}

// Counts the effects of all keys, when they have had time to land.
export function count(data) {
  const before = new Map();
  for (let burst = 0; burst < PLAN.bursts; burst++) {
    if (!triesOthers(burst)) continue;
    const key = keyOf(burst, data);
    const after = startOf(burst, data) + PLAN.period_ms / 2;
    sleepUntil(after - PLAN.period_ms / 8);
    const own = counted(key, false, 0);
    const others = counted(key, true, 0);
    // The effect of the burst has landed: what somebody else finds later is another one.
    if (own.effects > 0 && others.end < after) before.set(burst, { own, less: others.effects });
  }
  sleepUntil(startOf(PLAN.bursts, data) + CLOSE_MS);
  for (let burst = 0; burst < PLAN.bursts; burst++) {
    const key = keyOf(burst, data);
    if (!triesOthers(burst)) {
      writeCount(key, counted(key, false, 0), data);
    } else if (before.has(burst)) {
      const { own, less } = before.get(burst);
      writeCount(key, own, data);
      writeCount(subject(key, true), counted(key, true, less), data);
    }
  }
}
