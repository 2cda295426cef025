'use strict';
// One process with happn's provider in memory, which stands in for a database. Enters: requests of provider/index.js.
// usage: node data.js    It prints its port.
const net = require('net');
const Loki = require('happn-db-provider-loki');
const lines = require('./provider/lines');

const quiet = { error() {}, warn() {}, info() {}, debug() {}, trace() {}, $$TRACE() {} };
const store = new Loki({}, quiet);
store.initialize(() => {
  const server = net.createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => {});
    lines.read(socket, ({ number, name, given }) => {
      store[name](...given, (error, ...results) => {
        lines.write(socket, { number, error: error ? String(error.message || error) : null, results });
      });
    });
  });
  server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
});
process.on('disconnect', () => process.exit());
