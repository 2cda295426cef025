'use strict';
// Moleculer with NATS as transporter, to compare calls between nodes with.
// usage: node moleculer.js reply nats://127.0.0.1:4222
//        node moleculer.js ask nats://127.0.0.1:4222 IN_FLIGHT WARM_UP_MS MEASURED_MS
// It prints the same lines as the example `requests` of mesh-nats.
const { ServiceBroker } = require('moleculer');

const [mode, transporter, inFlight, warmUp, measured] = process.argv.slice(2);
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const say = (line) => process.stdout.write(line + '\n');
const broker = new ServiceBroker({ nodeID: mode, namespace: 'beside', transporter, logger: false, metrics: false });

async function ask() {
  await broker.waitForServices('calc');
  let phase = 'warm-up';
  const waited = [];
  const loop = async () => {
    while (phase !== 'over') {
      const since = process.hrtime.bigint();
      await broker.call('calc.add', { a: 1, b: 2 });
      if (phase === 'measuring') waited.push(Number(process.hrtime.bigint() - since) / 1e3);
    }
  };
  const loops = Array.from({ length: Number(inFlight) }, loop);
  say('ready');
  await pause(Number(warmUp));
  say('begin');
  const since = process.hrtime.bigint();
  phase = 'measuring';
  await pause(Number(measured));
  phase = 'over';
  const seconds = Number(process.hrtime.bigint() - since) / 1e9;
  say('end');
  await Promise.all(loops);
  waited.sort((a, b) => a - b);
  const at = (hundredths) => waited[Math.min(Math.floor((waited.length * hundredths) / 100), waited.length - 1)];
  say(JSON.stringify({ operations: waited.length, seconds, p50: at(50), p99: at(99) }));
}

async function main() {
  if (mode === 'reply') {
    broker.createService({ name: 'calc', actions: { add: ({ params }) => params.a + params.b } });
  }
  await broker.start();
  if (mode === 'reply') return say('ready');
  await ask();
  process.exit();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
