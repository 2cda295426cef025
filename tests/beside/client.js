'use strict';
// happner-client at the edge of a cluster, whichever kind of cluster it is.
// usage: node client.js PORT    It prints "ready", and then takes lines:
//   {"method":"enter","count":20,"takes":1000}    begins so many calls of the ledger, and prints {"begun":…}
//   {"end":true}                                  waits for all, and prints [{"number":…,"node":…,"error":…,"ms":…},…]
const HappnerClient = require('happner-client');
const readline = require('readline');

const quiet = { error() {}, warn() {}, info() {}, debug() {}, trace() {}, $$TRACE() {} };
const print = (document) => process.stdout.write(JSON.stringify(document) + '\n');
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function main(port) {
  // A promise must be broken before this client gives up.
  const client = new HappnerClient({ requestTimeout: 60000, responseTimeout: 60000, logger: { createLogger: () => quiet } });
  await client.connect({ host: '127.0.0.1', port });
  const methods = { enter: {}, again: {} };
  const { exchange } = client.construct({ ledger: { version: '^1.0.0', methods } });
  let number = 0;
  const call = async (method, takes) => {
    const since = Date.now();
    const answer = { number: (number += 1), node: null, error: null };
    try {
      answer.node = (await exchange.ledger[method](1, answer.number, takes)).node;
    } catch (error) {
      answer.error = `${error.name}: ${error.message}`;
    }
    answer.ms = Date.now() - since;
    return answer;
  };
  // Both kinds of clusters say a while after the start who has the component.
  while ((await call('enter', 0)).error) await pause(100);
  let calls = [];
  print('ready');
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const asked = JSON.parse(line);
    if (asked.end) {
      print(await Promise.all(calls));
      calls = [];
    } else {
      for (let count = 0; count < asked.count; count++) calls.push(call(asked.method, asked.takes));
      print({ begun: asked.count });
    }
  }
}

main(Number(process.argv[2])).then(
  () => process.exit(),
  (error) => {
    print({ failed: String(error.message || error) });
    process.exit(1);
  }
);
