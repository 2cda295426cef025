'use strict';

// Writes rows.jsonl: what real servers answer to the steps of scenarios.js. Each scenario meets servers that were just started.

process.env.LOG_LEVEL = 'off';

const fs = require('fs');
const path = require('path');
const { fork } = require('child_process');
const { Session, stable, wait, SETTLE } = require('./ask');
const scenarios = require('./scenarios');

// Clients whose server has ended look for it for a while: the next one is somewhere else.
let port = Number(process.env.PORT || 53100);

function start(generation, port) {
  return new Promise((resolve, reject) => {
    const child = fork(path.join(__dirname, 'server.js'), [generation, port], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    child.once('message', () => resolve(child));
    child.once('exit', () => reject(new Error(`${generation} did not start`)));
  });
}

/// Arguments that name what came before are replaced by it.
function filled(value, world) {
  if (Array.isArray(value)) return value.map((item) => filled(item, world));
  if (!value || typeof value !== 'object') return value;
  if (value.$result) return world.results[value.$result];
  if (value.$token) return world.sessions[value.$token].token;
  if (value.$session) return world.sessions[value.$session].id;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, filled(item, world)]));
}

/// A server with the sessions of a scenario. One that has ended is started again, and asked again what it had answered.
class World {
  constructor(generation) {
    this.generation = generation;
    this.answered = [];
  }

  async start() {
    this.port = port += 1;
    this.server = await start(this.generation, this.port);
    this.server.removeAllListeners('exit');
    this.ended = false;
    this.server.once('exit', () => (this.ended = true));
    this.admin = await this.open('_ADMIN', 'happn');
    await this.admin.listen();
    this.sessions = { admin: this.admin };
    this.results = {};
    for (const step of this.answered) await this.take(step);
    await wait(SETTLE);
    this.admin.events.length = 0;
  }

  open(username, password) {
    return Session.open(this.generation, this.port, username, password);
  }

  async take(step) {
    if (step.open) {
      const [username, password] = step.open;
      const opened = await this.open(username, password).then((session) => ({ session }), (error) => ({ refused: error.message }));
      if (opened.session) this.sessions[username] = opened.session;
      return opened.session ? { opened: true } : opened;
    }
    if (step.close) {
      await this.sessions[step.close].close();
      return { closed: true };
    }
    // `__proto__` is a name like others only in text.
    const args = filled(typeof step.args === 'string' ? JSON.parse(step.args) : step.args, this);
    const answer = await this.sessions[step.as || 'admin'].call(step.method, args);
    if (answer.results) this.results[step.step] = answer.results[0];
    return answer;
  }

  stop() {
    for (const session of Object.values(this.sessions)) session.abandon();
    this.server.kill('SIGKILL');
  }
}

async function play(generation, steps) {
  const world = new World(generation);
  await world.start();
  const answers = [];
  for (const step of steps) {
    if (step.only && step.only !== generation) {
      answers.push(null);
      continue;
    }
    const answer = await world.take(step);
    await wait(SETTLE);
    if (world.ended) {
      answers.push({ ends: true });
      world.stop();
      await world.start();
      continue;
    }
    if (!answer.silent) world.answered.push(step);
    const events = world.admin.events.splice(0);
    answers.push(stable({ ...answer, ...(events.length ? { events } : {}) }));
  }
  world.stop();
  return answers;
}

// Clients whose server has ended complain after they were given up.
process.on('uncaughtException', () => {});
process.on('unhandledRejection', () => {});

(async () => {
  const rows = [];
  const only = process.argv[2];
  for (const [section, steps] of Object.entries(scenarios)) {
    if (only && section !== only) continue;
    const [first, later] = await Promise.all([play('first', steps), play('later', steps)]);
    steps.forEach((step, at) => {
      const args = typeof step.args === 'string' ? JSON.parse(step.args) : step.args;
      rows.push({ section, ...step, ...(args ? { args } : {}), first: first[at], later: later[at] });
    });
    process.stderr.write(`${section}: ${steps.length}\n`);
  }
  const text = rows.map((row) => JSON.stringify(row)).join('\n') + '\n';
  if (only) process.stdout.write(text);
  else fs.writeFileSync(path.join(__dirname, 'rows.jsonl'), text);
  process.exit(0);
})().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
