'use strict';
// Connects the published clients to a host with TLS and prints one JSON line for each: what it got, or its error.
// usage: node tls.js --port N [--allow-self-signed]
process.env.LOG_LEVEL = process.env.LOG_LEVEL || 'off';
const argv = process.argv.slice(2);
const port = parseInt(argv[argv.indexOf('--port') + 1], 10);
const allowSelfSignedCerts = argv.indexOf('--allow-self-signed') >= 0;
const { load } = require('./lib/clients');

const options = () => ({ protocol: 'https', host: '127.0.0.1', port, allowSelfSignedCerts, loginRetry: 0, callTimeout: 9000, connectTimeout: 4000, retryOnSocketErrorMaxInterval: 100 });
const cb = (start) => new Promise((resolve, reject) => start((error, value) => (error ? reject(error) : resolve(value))));

async function happn(id) {
  const client = await cb((f) => load(id).client.create(options(), f));
  const arrived = new Promise((resolve) => client.on('/tls/event', {}, (data) => resolve(data.text), () => client.set('/tls/event', { text: 'ä'.repeat(100000) }, {}, () => {})));
  const text = await arrived;
  return { event: text.length, session: Boolean(client.session) };
}

async function happner(id) {
  const Client = load(id);
  const client = new Client();
  const api = client.construct({ calc: { version: '^1.0.0', methods: { add: {}, echo: {} } } });
  await cb((f) => client.connect({ protocol: 'https', host: '127.0.0.1', port }, options(), f));
  const large = 'x'.repeat(1000000);
  const sum = await cb((f) => api.exchange.calc.add(20, 22, f));
  const echo = await cb((f) => api.exchange.calc.echo(large, f));
  return { sum, echo: echo === large };
}

(async () => {
  for (const [id, run] of [['h3-1', happn], ['h3-13', happn], ['hc-2', happner], ['hc-12', happner]]) {
    const late = new Promise((_, reject) => setTimeout(() => reject(new Error('it did not connect')), 10000).unref());
    const result = await Promise.race([run(id), late]).catch((error) => ({ error: String((error && (error.message || error.reason)) || error) }));
    console.log(JSON.stringify(Object.assign({ client: id }, result)));
  }
  process.exit(0);
})();
process.on('uncaughtException', (error) => console.error('uncaught', error && error.message));
process.on('unhandledRejection', (error) => console.error('unhandled', error && error.message));
