'use strict';
// The provider of shared data that happn-cluster asks for by this name. Each function is forwarded to one process (../data.js) in
// place of a MongoDB, so that all nodes of a cluster have the same documents.
const net = require('net');
const lines = require('./lines');

const FORWARDED = ['find', 'findOne', 'insert', 'upsert', 'merge', 'increment', 'remove', 'count'];

class Forwarding {
  constructor(settings) {
    this.port = settings.port;
    this.waiting = new Map();
    this.number = 0;
  }

  initialize(callback) {
    this.socket = net.connect(this.port, '127.0.0.1', () => callback());
    this.socket.setNoDelay(true);
    lines.read(this.socket, ({ number, error, results }) => {
      const answered = this.waiting.get(number);
      this.waiting.delete(number);
      answered(error ? new Error(error) : null, ...results);
    });
  }

  stop(callback) {
    this.socket.end();
    callback();
  }

  forward(name, given) {
    const callback = typeof given[given.length - 1] === 'function' ? given.pop() : null;
    const asked = new Promise((resolve, reject) => {
      const number = (this.number += 1);
      this.waiting.set(number, (error, ...results) => {
        if (callback) callback(error, ...results);
        else if (error) reject(error);
        else resolve(results[0]);
      });
      lines.write(this.socket, { number, name, given });
    });
    return callback ? undefined : asked;
  }
}

for (const name of FORWARDED) {
  Forwarding.prototype[name] = function (...given) {
    return this.forward(name, given);
  };
}

module.exports = Forwarding;
