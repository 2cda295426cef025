'use strict';
// Real clients that call and listen while the host swaps what they call.
//
//   node swap_clients.js PORT
//
// Enters: the port of a host with the components `storm` and `counter`; a line on stdin that ends the calls.
// Leaves: the line READY when all clients call; at the end one line of JSON with everything that each client was answered
// and has heard, in the order of arrival. Nothing is judged here.
const { load } = require('./lib/clients');
const { cb, sleep, plain } = require('./lib/util');

const PORT = Number(process.argv[2]);
const BETWEEN_CALLS = 20;
// Answered so much later: when a swap begins, some of these are always on their way.
const HELD = 60;
// Far more than anything takes: who waits in vain says so in what it reports.
const PATIENCE = 20000;

const MODEL = {
  storm: { version: '^1.0.0', methods: { ping: {}, hold: {} } },
  counter: { version: '^1.0.0', methods: { increment: {}, get: {} } },
};

async function happnerClient(id) {
  const Client = load(id);
  const client = new Client({ requestTimeout: PATIENCE, responseTimeout: PATIENCE });
  const api = client.construct(MODEL);
  const options = { host: '127.0.0.1', port: PORT, loginRetry: 0, callTimeout: PATIENCE };
  await cb((done) => { client.connect({ host: options.host, port: PORT }, options, done); });
  const connection = { ended: 0 };
  ['reconnected', 'reconnect', 'reconnect-scheduled', 'disconnected', 'connection/ended'].forEach((name) =>
    client.on(name, () => { connection.ended += 1; }));
  return { id, exchange: api.exchange, event: api.event, connection, close: () => cb((done) => { client.disconnect(done); }) };
}

async function meshClient(id) {
  const { MeshClient } = load(id);
  const client = new MeshClient({ hostname: '127.0.0.1', port: PORT, loginRetry: 0 });
  const connection = { ended: 0 };
  ['reconnected', 'reconnect/scheduled', 'reconnect/successful', 'connection/ended'].forEach((name) =>
    client.on(name, () => { connection.ended += 1; }));
  const allowed = new Promise((resolve, reject) => {
    client.on('login/allow', resolve);
    client.on('login/deny', reject);
    client.on('login/error', reject);
  });
  Promise.resolve(client.login({})).catch(() => {});
  await allowed;
  // The objects themselves: a MeshClient changes what is in them when the description changes.
  return { id, exchange: client.exchange, event: client.event, connection, close: () => cb((done) => { client.disconnect(done); }) };
}

// Everything that one client does and notices.
class Caller {
  constructor(client) {
    this.client = client;
    this.sent = 0;
    this.pings = [];
    this.counts = [];
    this.holds = [];
    this.failures = [];
    this.pinged = [];
    this.counted = [];
    this.pending = 0;
  }

  async listen() {
    const { event } = this.client;
    await cb((done) => { event.storm.on('pinged', (data) => this.pinged.push(plain(data)), done); });
    await cb((done) => { event.counter.on('counted', (data) => this.counted.push(plain(data).count), done); });
  }

  call(component, method, number, args, answers) {
    this.pending += 1;
    let answered = 0;
    const done = (error, result) => {
      answered += 1;
      if (answered === 1) this.pending -= 1;
      if (error || answered > 1) {
        this.failures.push({ component, method, number, answered, error: String((error && error.message) || error) });
      } else {
        answers.push({ number, answer: plain(result) });
      }
    };
    try {
      this.client.exchange[component][method](...args, done);
    } catch (error) {
      done(error);
    }
  }

  round() {
    const number = this.sent;
    this.sent += 1;
    this.call('storm', 'ping', number, [this.client.id, number], this.pings);
    this.call('storm', 'hold', number, [HELD], this.holds);
    this.call('counter', 'increment', number, [], this.counts);
  }

  report() {
    const { sent, pings, holds, counts, failures, pinged, counted, pending } = this;
    // As it is now: one more event follows.
    return JSON.parse(
      JSON.stringify({
        client: this.client.id, sent, pings, holds, counts, failures, pinged, counted, pending, ended: this.client.connection.ended,
      })
    );
  }
}

async function until(test) {
  const end = Date.now() + PATIENCE;
  while (!test() && Date.now() < end) await sleep(10);
}

async function main() {
  const callers = [];
  for (const id of ['hc-2', 'hc-12']) callers.push(new Caller(await happnerClient(id)));
  const mesh = await meshClient('mc-13');
  callers.push(new Caller(mesh));
  const hadDecrement = typeof mesh.exchange.counter.decrement;
  for (const caller of callers) await caller.listen();
  // A MeshClient of happner-2 13 may send the second call of a method before the first, and keeps the order from then on.
  callers.forEach((caller) => caller.round());
  await until(() => callers.every((caller) => caller.pending === 0));
  const timers = callers.map((caller) => setInterval(() => caller.round(), BETWEEN_CALLS));
  console.log('READY');
  await new Promise((resolve) => { process.stdin.once('data', resolve); });
  timers.forEach(clearInterval);
  await until(() => callers.every((caller) => caller.pending === 0));
  const total = callers.reduce((sum, caller) => sum + caller.sent, 0);
  await until(() => callers.every((caller) => caller.pinged.length >= total && caller.counted.length >= total));
  const reports = callers.map((caller) => caller.report());
  // A method that was not there when the client connected.
  const added = { before: hadDecrement, after: typeof mesh.exchange.counter.decrement };
  if (added.after === 'function') added.answer = plain(await cb((done) => { mesh.exchange.counter.decrement(done); }));
  // Only when all of it is written: a pipe takes its time.
  process.stdout.write(JSON.stringify({ callers: reports, added }) + '\n', () => process.exit(0));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
