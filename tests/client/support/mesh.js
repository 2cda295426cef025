//! A mesh of the tests' own, and the client's file as the host serves it.
//!
//! Enters: settings for mesh.toml. Leaves: a running host with its address, which can be stopped, killed and started
//! again on the same port; the parts of the client in one text; a page server. Guaranteed: only what was started here ends here.
'use strict';
const { spawn, execFile } = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');

const ROOT = path.resolve(__dirname, '../../..');
const ASSETS = path.join(ROOT, 'host/http/assets/client');
const BINARY = process.env.MESH || path.join(ROOT, 'target/release/mesh');
// Where components are on another node of a cluster: the address of its NATS server.
const NATS = process.env.MESH_NATS;
let clusters = 0;
const PARTS = ['semver.js', 'connection.js', 'mesh.js', 'happn.js', 'happner.js'];

const script = () => PARTS.map((part) => fs.readFileSync(path.join(ASSETS, part), 'utf8')).join('');
const moduleText = () => script() + fs.readFileSync(path.join(ASSETS, 'module.js'), 'utf8');

/** The client loaded as a user of Node loads it: one file, required. */
const load = () => require(written('client.cjs', script()));

/** The client as an ES module. */
const loadModule = () => import(written('client.mjs', moduleText()));

/** A file beside the package `ws`, where a user of Node before 22 would have it. */
function written(name, text) {
  const made = fs.mkdtempSync(path.join(__dirname, '../node_modules/.client-'));
  folders.push(made);
  fs.writeFileSync(path.join(made, name), text);
  return path.join(made, name);
}

const folders = [];
function folder() {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), 'mesh-client-'));
  folders.push(made);
  return made;
}
process.on('exit', () => folders.forEach((made) => fs.rmSync(made, { recursive: true, force: true })));

function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

class Host {
  constructor(settings, components = '') {
    this.settings = settings;
    this.config = path.join(folder(), 'mesh.toml');
    const text = fs.readFileSync(path.join(ROOT, 'tests/conformance/mesh.toml'), 'utf8');
    const plugins = process.env.MESH_PLUGINS || path.dirname(BINARY);
    const whole = text.replace('../../target/release', plugins) + components;
    fs.writeFileSync(this.config, NATS ? this.apart(whole) : whole);
  }

  /** Has the components on another node of a cluster. Returns the file of the node that clients connect to. */
  apart(whole) {
    const first = whole.indexOf('[[components]]');
    const cluster = `\n[cluster]\nname = "client-${process.pid}-${clusters += 1}"\nservers = ["${NATS}"]\nseparate_users = true\n`;
    const [common, entries] = [whole.slice(0, first).replace(/^name = .*$/m, '$&\ndomain = "TestNode"'), whole.slice(first)];
    this.provider = path.join(folder(), 'mesh.toml');
    fs.writeFileSync(this.provider, common.replace('TestNode', 'Provider') + cluster + entries);
    return `${common}${cluster}wait_for = ["calc", "emitter"]\n`;
  }

  /** The other node ends with this process, and nothing here waits for it. */
  startProvider() {
    const settings = this.settings.filter((setting) => !setting.startsWith('happn.')).flatMap((setting) => ['--set', setting]);
    const provider = spawn(BINARY, ['run', '--config', this.provider, '--set', 'happn.port=0', ...settings], { stdio: 'ignore' });
    provider.unref();
    process.on('exit', () => provider.kill('SIGKILL'));
    this.provider = undefined;
  }

  async start() {
    this.port = this.port || await freePort();
    this.url = `http://127.0.0.1:${this.port}`;
    if (this.provider) this.startProvider();
    const settings = [`happn.port=${this.port}`, ...this.settings].flatMap((setting) => ['--set', setting]);
    this.process = spawn(BINARY, ['run', '--config', this.config, ...settings], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.ended = new Promise((resolve) => { this.process.once('exit', resolve); });
    let log = '';
    this.process.stderr.on('data', (text) => { log = (log + text).slice(-4000); });
    await new Promise((resolve, reject) => {
      this.process.stdout.on('data', (text) => String(text).includes('ready ') && resolve());
      this.ended.then((code) => reject(new Error(`the host ended with ${code}: ${log}`)));
    });
    return this;
  }

  async stop(signal = 'SIGTERM') {
    this.process.kill(signal);
    await this.ended;
  }

  /** Runs a command of the binary against this host. */
  command(...args) {
    return new Promise((resolve, reject) => {
      execFile(BINARY, [...args, '--config', this.config], (error, out, err) => (error ? reject(new Error(err + out)) : resolve(out)));
    });
  }
}

const startHost = (settings = [], components = '') => new Host(settings, components).start();

/** Serves pages and the client on a port of its own: a page's address is not the mesh's here, so it names the mesh. */
async function servePages(pages) {
  const server = http.createServer((request, response) => {
    const found = { '/api/client': [script, 'text/javascript'], '/api/client.mjs': [moduleText, 'text/javascript'] }[request.url]
      || (pages[request.url] && [() => pages[request.url], 'text/html']);
    response.writeHead(found ? 200 : 404, { 'content-type': found ? found[1] : 'text/plain' });
    response.end(found ? found[0]() : '');
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

/** The next event of a type, as its detail. */
function next(target, type) {
  return new Promise((resolve) => { target.addEventListener(type, (event) => resolve(event.detail), { once: true }); });
}

module.exports = { BINARY, ROOT, freePort, load, loadModule, next, script, servePages, startHost };
