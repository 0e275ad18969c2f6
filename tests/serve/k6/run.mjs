// Runs a script for k6 where there is no k6: with as much of k6's modules as the script uses, and real requests.
//
//     node run.mjs SCRIPT
//
// Each virtual user is a thread, as in k6 everything blocks; this thread sends their requests. Exits as k6 does: 99
// where a threshold is not met.

import fs from 'node:fs';
import nodeHttp from 'node:http';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const ROOM = 1 << 20;

// What `import ... from 'k6/...'` gives. `ask` sends a request and waits; `add` is for metrics.
const MODULES = {
  'k6': `export const sleep = (seconds) => globalThis.k6.sleep(seconds);`,
  'k6/http': `
    const request = (method, url, body, parameters) => globalThis.k6.ask(method, url, body, parameters || {});
    export default { request, get: (url, parameters) => request('GET', url, null, parameters) };`,
  'k6/crypto': `
    import { createHash } from 'node:crypto';
    export default { sha256: (text, encoding) => createHash('sha256').update(text).digest(encoding) };`,
  'k6/metrics': `
    class Metric { constructor(name) { this.name = name; } add(value) { globalThis.k6.add(this.name, Number(value)); } }
    export class Counter extends Metric {}
    export class Rate extends Metric {}`,
};

// The script with each module beside it, as a file of its own.
function prepare(script) {
  const folder = fs.mkdtempSync(path.join(path.dirname(script), 'k6-'));
  let text = fs.readFileSync(script, 'utf8');
  for (const [name, source] of Object.entries(MODULES)) {
    const file = `${name.replace('/', '-')}.mjs`;
    fs.writeFileSync(path.join(folder, file), source);
    text = text.replace(`from '${name}'`, `from './${file}'`);
  }
  const prepared = path.join(folder, 'script.mjs');
  fs.writeFileSync(prepared, text);
  return prepared;
}

globalThis.console.log = (line) => fs.writeSync(1, `${line}\n`);

if (isMainThread) {
  const prepared = prepare(path.resolve(process.argv[2]));
  const script = await import(pathToFileURL(prepared));
  const agent = new nodeHttp.Agent({ keepAlive: true });
  const metrics = new Map();

  function answer(shared, value) {
    const bytes = Buffer.from(JSON.stringify(value));
    const state = new Int32Array(shared, 0, 2);
    new Uint8Array(shared, 8).set(bytes);
    state[1] = bytes.length;
    Atomics.store(state, 0, 1);
    Atomics.notify(state, 0);
  }

  function send({ method, url, body, parameters, shared }) {
    const headers = { ...parameters.headers };
    if (body !== null) headers['Content-Length'] = Buffer.byteLength(body);
    const request = nodeHttp.request(url, { method, headers, agent, timeout: parameters.timeout }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', () => answer(shared, { status: 0, headers: {}, body: null }));
      response.on('end', () => {
        const body = Buffer.concat(chunks).toString();
        answer(shared, { status: response.statusCode, headers: response.headers, body });
      });
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => answer(shared, { status: 0, headers: {}, body: null }));
    request.end(body === null ? undefined : body);
  }

  const data = script.setup();
  const ended = [];
  let number = 0;
  for (const scenario of Object.values(script.options.scenarios)) {
    for (let vu = 0; vu < scenario.vus; vu++) {
      number += 1;
      const { exec, iterations } = scenario;
      const work = { prepared, exec, iterations, vu: number, data, shared: new SharedArrayBuffer(ROOM) };
      const worker = new Worker(fileURLToPath(import.meta.url), { workerData: work });
      worker.on('message', (message) => {
        if (message.metric === undefined) return send({ ...message, shared: work.shared });
        const seen = metrics.get(message.metric) || { sum: 0, times: 0 };
        metrics.set(message.metric, { sum: seen.sum + message.value, times: seen.times + 1 });
      });
      ended.push(new Promise((done, failed) => worker.on('error', failed).on('exit', done)));
    }
  }
  await Promise.all(ended);
  agent.destroy();
  const missed = [];
  for (const [name, wanted] of Object.entries(script.options.thresholds)) {
    // Times are not measured here.
    const [, kind, sign, bound] = /^(count|rate)(==|>)([\d.]+)$/.exec(wanted[0]) || [];
    if (kind === undefined) continue;
    const { sum, times } = metrics.get(name) || { sum: 0, times: 0 };
    const value = kind === 'count' ? sum : sum / times;
    const met = sign === '==' ? value === Number(bound) : value > Number(bound);
    if (!met) missed.push(`${name}: ${value}`);
  }
  if (missed.length > 0) {
    process.stderr.write(`thresholds are not met: ${missed.join(', ')}\n`);
    process.exitCode = 99;
  }
} else {
  const { prepared, exec, iterations, vu, data, shared } = workerData;
  const state = new Int32Array(shared, 0, 2);
  globalThis.k6 = {
    sleep: (seconds) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, seconds * 1000),
    add: (metric, value) => parentPort.postMessage({ metric, value }),
    ask: (method, url, body, parameters) => {
      Atomics.store(state, 0, 0);
      parentPort.postMessage({ method, url, body, parameters });
      Atomics.wait(state, 0, 0);
      return JSON.parse(Buffer.from(new Uint8Array(shared, 8, state[1])).toString());
    },
  };
  globalThis.__VU = vu;
  const script = await import(pathToFileURL(prepared));
  for (let iteration = 0; iteration < iterations; iteration++) {
    globalThis.__ITER = iteration;
    script[exec](data);
  }
}
