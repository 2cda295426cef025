//! A NATS server of the tests' own.
//!
//! Enters: nothing. Leaves: a server on a free port of loopback, or the reason why there is none. Guaranteed: only the server that was
//! started here ends here.
'use strict';
const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');

const DEBIAN = '/usr/sbin/nats-server';
const PROGRAM = process.env.MESH_NATS_SERVER || (fs.existsSync(DEBIAN) ? DEBIAN : 'nats-server');

const skip = spawnSync(PROGRAM, ['--version']).status !== 0 && `nats-server is missing: ${PROGRAM} cannot be run`;

function answers(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('data', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}

/** A server that answers: its address, and a function that ends it. */
async function startNats(freePort) {
  const port = await freePort();
  const child = spawn(PROGRAM, ['--addr', '127.0.0.1', '--port', String(port)], { stdio: 'ignore' });
  const ended = new Promise((resolve) => { child.once('exit', resolve); });
  while (!await answers(port)) {
    if (child.exitCode !== null) throw new Error(`nats-server ended with ${child.exitCode}`);
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
  return {
    url: `nats://127.0.0.1:${port}`,
    stop: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

module.exports = { skip, startNats };
