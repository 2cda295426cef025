'use strict';
// Conformance runner. See README.md.
process.env.LOG_LEVEL = process.env.LOG_LEVEL || 'off';
const fs = require('fs');
const path = require('path');

const argv = process.argv.slice(2);
const flag = (n) => argv.indexOf('--' + n) >= 0;
const opt = (n, d) => {
  const i = argv.indexOf('--' + n);
  return i >= 0 ? argv[i + 1] : d;
};
if (flag('help')) {
  console.log(fs.readFileSync(path.join(__dirname, 'README.md'), 'utf8'));
  process.exit(0);
}
const cfg = {
  host: opt('host', '127.0.0.1'),
  port: opt('port') ? parseInt(opt('port'), 10) : null,
  securePort: opt('secure-port') ? parseInt(opt('secure-port'), 10) : null,
  adminPassword: opt('admin-password', 'happn'),
  protocol: opt('protocol', 'http'),
  mesh: opt('mesh', 'TestNode'),
  profile: opt('profile', 'all'),
  set: opt('set', 'all'),
  only: opt('only') ? opt('only').split(',') : null,
  grep: opt('grep') ? new RegExp(opt('grep')) : null,
  clients: opt('clients') ? opt('clients').split(',') : null,
  proxyPort: opt('proxy-port') ? parseInt(opt('proxy-port'), 10) : 0,
  spawnCmd: opt('spawn-cmd'),
  spawnPort: parseInt(opt('spawn-port', '55777'), 10),
  slow: flag('slow'),
  verbose: flag('verbose'),
  times: parseFloat(opt('timeout-factor', '1')),
};

const kit = require('./lib/kit');
const { cases, Toolbox, CLIENTS, NEWEST, setCurrentSet } = kit;
// every folder of cases is a set; --set picks one of them
['cases'].forEach((set) => {
  if (cfg.set !== 'all' && cfg.set !== set) return;
  const dir = path.join(__dirname, set);
  setCurrentSet(set);
  fs.readdirSync(dir).filter((f) => f.endsWith('.js')).sort().forEach((f) => require(path.join(dir, f)));
});

// real clients log and sometimes throw outside of any call: keep them from ending the run
let current = null;
const stray = (e) => {
  if (current) current.stray = e;
};
process.on('uncaughtException', stray);
process.on('unhandledRejection', stray);
const realLog = console.log.bind(console);
if (!cfg.verbose) ['info', 'warn', 'error', 'log', 'debug'].forEach((k) => (console[k] = () => {}));

function plan() {
  const rows = [];
  const profiles = cfg.profile === 'all' ? ['era', 'modern'] : [cfg.profile];
  cases.forEach((c) => {
    if (cfg.only && cfg.only.indexOf(c.area) < 0) return;
    if (cfg.grep && !cfg.grep.test(c.id)) return;
    if (c.slow && !cfg.slow) return;
    if (c.spawn && !cfg.spawnCmd) return;
    Object.keys(CLIENTS).forEach((id) => {
      const client = CLIENTS[id];
      if (client.kind !== c.kind) return;
      if (c.clients && c.clients.indexOf(id) < 0) return;
      if (cfg.clients) {
        if (cfg.clients.indexOf(id) < 0) return;
        if (profiles.indexOf(client.profile) < 0 && c.profile !== 'both') return;
      } else if (profiles.indexOf(client.profile) < 0) return;
      if (c.profile !== 'both' && c.profile !== client.profile) return;
      const newest = NEWEST[client.profile][client.kind] === id;
      if ((c.mode === 'unsecure' || c.mode === 'any') && cfg.port) rows.push({ c, id, secure: false });
      // "any" cases: in secure mode only with the newest client of the profile
      if (cfg.securePort && (c.mode === 'secure' || (c.mode === 'any' && (newest || !cfg.port || cfg.clients)))) rows.push({ c, id, secure: true });
    });
  });
  return rows;
}

async function one(row) {
  const t = new Toolbox(cfg, row.c, row.id, row.secure);
  current = { stray: null };
  const started = Date.now();
  const res = { id: row.c.id, area: row.c.area, set: row.c.set, client: row.id, mode: row.secure ? 'secure' : 'unsecure', ok: false, ms: 0 };
  let timer;
  try {
    await Promise.race([
      Promise.resolve().then(() => row.c.fn(t)),
      new Promise((_, rej) => {
        timer = setTimeout(() => rej(new Error('case timed out')), row.c.timeout * cfg.times);
      }),
    ]);
    res.ok = true;
  } catch (e) {
    res.error = String((e && (e.message || e.name)) || e).split('\n').slice(0, 3).join(' ').slice(0, 400);
    if (current.stray) res.error += ' [stray: ' + String(current.stray && current.stray.message) + ']';
    if (cfg.verbose && e && e.stack) realLog(e.stack);
  }
  clearTimeout(timer);
  res.ms = Date.now() - started;
  await t.dispose();
  return res;
}

function table(title, results, key) {
  const groups = {};
  results.forEach((r) => {
    const g = (groups[r[key]] = groups[r[key]] || { pass: 0, fail: 0 });
    g[r.ok ? 'pass' : 'fail'] += 1;
  });
  realLog('\n' + title.padEnd(18) + 'passed  failed  total');
  Object.keys(groups).forEach((k) => {
    const g = groups[k];
    realLog(k.padEnd(18) + String(g.pass).padStart(6) + String(g.fail).padStart(8) + String(g.pass + g.fail).padStart(7));
  });
  return groups;
}

(async () => {
  const rows = plan();
  if (flag('list')) {
    const seen = {};
    rows.forEach((r) => { (seen[r.c.id] = seen[r.c.id] || { c: r.c, on: [] }).on.push(r.id + (r.secure ? '/s' : '')); });
    Object.keys(seen).forEach((k) => realLog(k + '  [' + seen[k].c.set + ' ' + seen[k].c.profile + ' ' + seen[k].c.mode + '] ' + seen[k].on.join(' ')));
    realLog(Object.keys(seen).length + ' cases, ' + rows.length + ' runs');
    process.exit(0);
  }
  if (!cfg.port && !cfg.securePort) {
    realLog('need --port and/or --secure-port (see --help)');
    process.exit(2);
  }
  const results = [];
  for (const row of rows) {
    const r = await one(row);
    results.push(r);
    if (!r.ok) realLog('FAIL ' + r.id + ' [' + r.client + ' ' + r.mode + '] ' + r.error);
    else if (flag('progress')) realLog('ok   ' + r.id + ' [' + r.client + ' ' + r.mode + '] ' + r.ms + 'ms');
  }
  const summary = {
    when: new Date().toISOString(),
    profile: cfg.profile,
    set: cfg.set,
    cases: new Set(results.map((r) => r.id)).size,
    casesFullyPassed: 0,
    runs: results.length,
    passed: results.filter((r) => r.ok).length,
    areas: table('area', results, 'area'),
    clients: table('client', results, 'client'),
    modes: table('mode', results, 'mode'),
    sets: table('set', results, 'set'),
    results,
  };
  const bad = new Set(results.filter((r) => !r.ok).map((r) => r.id));
  summary.casesFullyPassed = summary.cases - bad.size;
  realLog('\nruns ' + summary.passed + '/' + summary.runs + ' passed; cases fully passed ' + summary.casesFullyPassed + '/' + summary.cases);
  if (opt('json')) fs.writeFileSync(opt('json'), JSON.stringify(summary, null, 1));
  process.exit(summary.passed === summary.runs ? 0 : 1);
})();
