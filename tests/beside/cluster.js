'use strict';
// A happner-cluster: providers n1 and n3 with the same components, and n2, the edge, which brokers them.
// usage: node cluster.js    It prints {"edge":PORT,"pids":{"n1":…,"n2":…,"n3":…,"data":…}}, and ends when its input does.
const { fork } = require('child_process');
const net = require('net');
const dgram = require('dgram');
const path = require('path');

const free = (listening) =>
  new Promise((resolve) => listening((socket) => ((port) => socket.close(() => resolve(port)))(socket.address().port)));
const tcp = () =>
  free((then) => {
    const server = net.createServer();
    server.listen(0, '127.0.0.1', () => then(server));
  });
const udp = () =>
  free((then) => {
    const socket = dgram.createSocket('udp4');
    socket.bind(0, '127.0.0.1', () => then(socket));
  });

const children = {};
const begin = (name, script) => (children[name] = fork(path.join(__dirname, script), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }));
const said = (child, what) =>
  new Promise((resolve, reject) => {
    child.on('message', (message) => {
      if (message.failed) reject(new Error(message.failed));
      if (message[what] !== undefined) resolve(message[what]);
    });
    child.on('exit', () => reject(new Error('a process ended before it served')));
  });

async function main() {
  const data = await said(begin('data', 'data.js'), 'port');
  const proxy = await tcp();
  const swims = { n1: await udp(), n2: await udp(), n3: await udp() };
  const node = async (name, isEdge) => {
    const child = begin(name, 'node.js');
    const settings = { name, port: await tcp(), proxy: isEdge ? proxy : await tcp(), swim: swims[name], seed: swims.n1, data, isEdge };
    const serves = said(child, 'serves');
    child.send(settings);
    return serves;
  };
  // One after the other, and the seed first: a node that finds nobody to join ends.
  await node('n1', false);
  await node('n3', false);
  await node('n2', true);
  const pids = Object.fromEntries(Object.entries(children).map(([name, child]) => [name, child.pid]));
  process.stdout.write(JSON.stringify({ edge: proxy, pids }) + '\n');
}

const end = () => {
  for (const child of Object.values(children)) child.kill('SIGKILL');
  process.exit();
};
process.stdin.on('end', end).on('error', end).resume();
process.on('SIGTERM', end);
main().catch((error) => {
  process.stdout.write(JSON.stringify({ failed: String(error.message || error) }) + '\n');
  end();
});
