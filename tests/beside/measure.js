'use strict';
// Costs of a call to another node, beside other ways to do the same, in one run and in turns.
// usage, after `cargo build --release -p mesh-host -p calc` and `cargo build --release -p mesh-nats --example requests`:
//   node measure.js [--rounds 3] [--seconds 3] [--loads 1x1,8x8,64x4] [--kinds local,remote,requests,moleculer,happner] [--memory 3]
// It prints tables. `other` is the work of other processes of the machine meanwhile, as a part of one processor.
const { spawn, execFile, execFileSync } = require('child_process');
const fs = require('fs');
const http = require('http');
const os = require('os');
const path = require('path');
const readline = require('readline');

const option = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
};
const release = path.resolve(__dirname, option('release', '../../target/release'));
const natsServer = process.env.MESH_NATS_SERVER || ['/usr/sbin/nats-server'].find(fs.existsSync) || 'nats-server';
const rounds = Number(option('rounds', 3));
const seconds = Number(option('seconds', 3));
const warmUp = Number(option('warm-up', 1));
const repeats = Number(option('memory', 3));
const kinds = option('kinds', 'local,remote,requests,moleculer,happner').split(',');
const loads = option('loads', '1x1,8x8,64x4').split(',').map((load) => load.split('x').map(Number));
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'mesh-measure-'));
const live = new Set();

// The kernel's interface counts CPU time in hundredths of a second.
const TICK = 10_000;
const fields = (pid) => {
  const text = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
  return text.slice(text.lastIndexOf(')') + 2).split(' ').map(Number);
};
const cpu = (pid) => (fields(pid)[11] + fields(pid)[12]) * TICK;
const rss = (pid) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
/** Microseconds of all processors, and of the processes that this script knows. */
function work() {
  const busy = fs.readFileSync('/proc/stat', 'utf8').split('\n')[0].trim().split(/\s+/).slice(1).map(Number);
  const [user, nice, system, , , interrupts, soft] = busy;
  const self = fields(process.pid);
  const own = [...live].reduce((sum, pid) => sum + cpu(pid), self.slice(11, 15).reduce((one, two) => one + two) * TICK);
  return { all: (user + nice + system + interrupts + soft) * TICK, own, at: Date.now() };
}

function start(program, given, { ready, input } = {}) {
  const child = spawn(program, given, { cwd: __dirname, stdio: [input ? 'pipe' : 'ignore', 'pipe', 'ignore'] });
  live.add(child.pid);
  child.on('exit', () => live.delete(child.pid));
  const lines = readline.createInterface({ input: child.stdout });
  const first = new Promise((resolve, reject) => {
    lines.once('line', resolve);
    child.on('exit', () => reject(new Error(`${program} ${given.join(' ')} ended`)));
  });
  first.catch(() => {});
  return { child, pid: child.pid, lines, first: ready === false ? null : first };
}

const ended = (child) => new Promise((resolve) => (child.exitCode !== null || child.signalCode ? resolve() : child.on('exit', resolve)));
async function stop({ child }) {
  child.kill('SIGTERM');
  await ended(child);
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const json = (url) =>
  new Promise((resolve, reject) => {
    http.get(url, (answer) => {
      let text = '';
      answer.on('data', (part) => (text += part)).on('end', () => resolve(JSON.parse(text)));
    }).on('error', reject);
  });

/** A NATS server with its pages for operators. */
async function nats() {
  const server = start(natsServer, ['-a', '127.0.0.1', '-p', '-1', '-m', '-1', '--ports_file_dir', folder], { ready: false });
  const file = path.join(folder, `nats-server_${server.pid}.ports`);
  let ports = null;
  while (!ports) {
    await pause(20);
    try {
      ports = JSON.parse(fs.readFileSync(file, 'utf8'));
    } catch {
      // It is not written yet.
    }
  }
  return { ...server, url: ports.nats[0], monitoring: ports.monitoring[0] };
}

/** A host, with the text of its `mesh.toml` below the name. */
async function host(name, more) {
  const file = path.join(folder, `${name}.toml`);
  fs.writeFileSync(file, `name = "${name}"\ndomain = "shop"\nhappn.port = 0\nplugins.dir = "${release}"\n${more}`);
  const started = start(path.join(release, 'mesh'), ['run', '--config', file]);
  const url = /url=(\S+)/.exec(await started.first)[1];
  return { ...started, url, name };
}
const CALC = '\n[[components]]\nname = "calc"\nlibrary = "calc"\n';
const clustered = (server, more = '') => `\n[cluster]\nname = "shop"\nservers = ["${server.url}"]\n${more}`;

const run = (program, given) =>
  new Promise((resolve) => execFile(program, given, { cwd: __dirname }, (error, out, said) => resolve({ out, said })));

/** One round of `mesh bench`. */
async function bench(url, pid, processes, [connections, inFlight], duration = seconds) {
  const given = ['bench', 'calls', '--url', url, '--pid', pid, '--connections', connections, '--in-flight', inFlight];
  given.push('--duration', duration, '--warm-up', warmUp, '--json', '--timeout', 30);
  if (processes.length > 0) given.push('--process', processes.join(','));
  const { out, said } = await run(path.join(release, 'mesh'), given.map(String));
  if (!out) throw new Error(said);
  const [target] = JSON.parse(out).targets;
  return {
    operations: target.operations,
    errors: target.errors,
    rate: target.operations_per_second,
    p50: target.latency_microseconds.p50,
    p99: target.latency_microseconds.p99,
    shares: target.processes.map((one) => one.cpu_microseconds_per_operation),
    generator: target.generator_cpu_microseconds_per_operation,
  };
}

/** One round of a script that says when it begins and ends. Its own CPU time counts, as that of the node where calls begin. */
async function asking(program, given, others) {
  const { child, pid, lines } = start(program, given.map(String));
  const pids = [pid, ...others];
  let before, after, result;
  for await (const line of lines) {
    if (line === 'begin') before = pids.map(cpu);
    else if (line === 'end') after = pids.map(cpu);
    else if (line.startsWith('{')) result = JSON.parse(line);
  }
  await ended(child);
  if (!result) throw new Error(`${program} has measured nothing`);
  const { operations, p50, p99 } = result;
  const shares = pids.map((_, index) => (after[index] - before[index]) / operations);
  return { operations, errors: 0, rate: operations / result.seconds, p50, p99, shares };
}

const sum = (numbers) => numbers.reduce((one, two) => one + two, 0);
const median = (numbers) => [...numbers].sort((one, two) => one - two)[Math.floor(numbers.length / 2)];
const shown = (number) => (number >= 100 ? number.toFixed(0) : number.toFixed(1));

/** The sums of all rounds of one kind. */
function together(all) {
  const operations = sum(all.map((one) => one.operations));
  const share = (index) => sum(all.map((one) => one.shares[index] * one.operations)) / operations;
  const shares = all[0].shares.map((_, index) => share(index));
  return {
    cpu: sum(shares),
    cpus: all.map((one) => sum(one.shares)),
    shares,
    p50: median(all.map((one) => one.p50)),
    p99: median(all.map((one) => one.p99)),
    rate: median(all.map((one) => one.rate)),
    errors: sum(all.map((one) => one.errors)),
    other: Math.max(...all.map((one) => one.other)),
  };
}

async function systems() {
  const server = await nats();
  const made = {};
  const has = (kind) => kinds.includes(kind);
  if (has('local')) {
    const alone = await host('alone', CALC);
    made.local = { names: ['host'], measure: (load) => bench(alone.url, alone.pid, [], load) };
  }
  let bytes = 128;
  if (has('remote')) {
    const provider = await host('provider', CALC + clustered(server));
    const edge = await host('edge', clustered(server, 'wait_for = ["calc"]\n'));
    await pause(1000);
    const measure = (load, duration) => bench(edge.url, edge.pid, [provider.pid, server.pid], load, duration);
    made.remote = { names: ['edge', 'provider', 'nats'], measure };
    const traffic = async (load) => {
      const before = await json(`${server.monitoring}/varz`);
      const { rate } = await measure(load, 1);
      const after = await json(`${server.monitoring}/varz`);
      const calls = rate * (1 + warmUp);
      const count = (after.in_msgs - before.in_msgs) / calls;
      return { count, bytes: (after.in_bytes - before.in_bytes) / calls };
    };
    for (const load of loads) {
      const seen = await traffic(load);
      console.log(`${load.join(' x ')}: about ${seen.count.toFixed(2)} messages and ${seen.bytes.toFixed(0)} bytes between nodes for each call`);
      if (load === loads[0]) bytes = Math.round(seen.bytes / 2);
    }
  }
  if (has('requests')) {
    const program = path.join(release, 'examples/requests');
    const replying = start(program, ['reply', server.url, String(bytes)]);
    await replying.first;
    const ask = (connections, inFlight) =>
      asking(program, ['ask', server.url, bytes, connections, inFlight, warmUp * 1000, seconds * 1000], [replying.pid, server.pid]);
    const names = ['asking', 'replying', 'nats'];
    made.requests = { names, measure: ([connections, inFlight]) => ask(connections, inFlight) };
    // Two nodes have one connection each, however many clients they have.
    made['requests, 1 connection'] = { names, measure: ([connections, inFlight]) => ask(1, connections * inFlight) };
    console.log(`requests and replies have ${bytes} bytes each`);
  }
  if (has('moleculer')) {
    const replying = start('node', ['moleculer.js', 'reply', server.url]);
    await replying.first;
    made.moleculer = {
      names: ['asking', 'replying', 'nats'],
      measure: ([connections, inFlight]) =>
        asking('node', ['moleculer.js', 'ask', server.url, connections * inFlight, warmUp * 1000, seconds * 1000], [replying.pid, server.pid]),
    };
  }
  if (has('happner')) {
    const cluster = start('node', ['cluster.js'], { input: true });
    const { edge, pids } = JSON.parse(await cluster.first);
    for (const pid of Object.values(pids)) live.add(pid);
    await pause(3000);
    const others = [pids.n1, pids.n3, pids.data];
    made.happner = { names: ['edge', 'n1', 'n3', 'data'], measure: (load) => bench(`http://127.0.0.1:${edge}`, pids.n2, others, load) };
  }
  return made;
}

async function calls() {
  const made = await systems();
  for (const load of loads) {
    const results = Object.fromEntries(Object.keys(made).map((kind) => [kind, []]));
    for (let round = 0; round < rounds; round++) {
      for (const [kind, { measure }] of Object.entries(made)) {
        const before = work();
        const result = await measure(load);
        const after = work();
        const other = (after.all - before.all - (after.own - before.own)) / (1000 * (after.at - before.at));
        results[kind].push({ ...result, other });
      }
    }
    console.log(`\n| ${load.join(' × ')} | CPU µs | of them | each round | p50 µs | p99 µs | calls/s | errors | other |\n|---|---:|---|---|---:|---:|---:|---:|---:|`);
    const all = {};
    for (const [kind, outcomes] of Object.entries(results)) {
      const one = (all[kind] = together(outcomes));
      const shares = made[kind].names.map((name, index) => `${name} ${shown(one.shares[index])}`).join(', ');
      const rounds = one.cpus.map(shown).join(', ');
      console.log(`| ${kind} | ${shown(one.cpu)} | ${shares} | ${rounds} | ${shown(one.p50)} | ${shown(one.p99)} | ${one.rate.toFixed(0)} | ${one.errors} | ${one.other.toFixed(2)} |`);
    }
    const { local, remote } = all;
    for (const [kind, requests] of Object.entries(all).filter(([kind]) => local && remote && kind.startsWith('requests'))) {
      const part = (name) => ((remote[name] - local[name]) / requests[name]).toFixed(2);
      const ratio = (name) => (remote[name] / requests[name]).toFixed(2);
      console.log(`(remote - local) / ${kind}: CPU ${part('cpu')}, p50 ${part('p50')}; remote / ${kind}: calls/s ${ratio('rate')}, p99 ${ratio('p99')}`);
    }
  }
}

/** The same load for a host without and with a cluster, each started anew: what the cluster's part of it takes. */
async function memory() {
  console.log('\n| memory, MB | without [cluster] | with it, idle | with it, after the same calls | difference | after calls to another node |\n|---|---:|---:|---:|---:|---:|');
  for (let round = 0; round < repeats; round++) {
    const server = await nats();
    const load = async ({ url, pid }) => {
      for (const shape of [[8, 8], [64, 4]]) await bench(url, pid, [], shape, 2);
    };
    const alone = await host('alone-2', CALC);
    await load(alone);
    const without = rss(alone.pid);
    await stop(alone);
    const provider = await host('provider-2', CALC + clustered(server));
    const local = await host('local-2', CALC + clustered(server));
    await pause(2000);
    const idle = rss(local.pid);
    await load(local);
    const within = rss(local.pid);
    await stop(local);
    // It calls its own component and that of the other node.
    const both = await host('both-2', CALC + clustered(server, 'prefer = "any"\n'));
    await pause(2000);
    await load(both);
    const remote = rss(both.pid);
    console.log(`| ${round + 1} | ${[without, idle, within, within - without, remote].map((one) => one.toFixed(1)).join(' | ')} |`);
    for (const one of [both, provider, server]) await stop(one);
  }
}

async function main() {
  console.log(`${new Date().toISOString()}, ${os.cpus().length} x ${os.cpus()[0].model}, Linux ${os.release()}, node ${process.version}`);
  console.log(`${execFileSync(natsServer, ['--version']).toString().trim()}; load average ${os.loadavg().map((one) => one.toFixed(2)).join(' ')}`);
  console.log(`${rounds} rounds of ${seconds} s after ${warmUp} s`);
  if (loads.length > 0 && rounds > 0) await calls();
  if (repeats > 0) await memory();
}

const end = () => {
  for (const pid of live) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  }
  fs.rmSync(folder, { recursive: true, force: true });
};
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));
process.on('exit', end);
main().then(
  () => process.exit(),
  (error) => {
    console.error(error);
    process.exit(1);
  }
);
