'use strict';

// Writes paths.json and rows.jsonl: which paths real happn-3 servers of both generations match with which patterns.
//
// Enters: the servers of ../query, whose packages are pinned there; all choices come from a seed. Leaves: JSON
// lines, described in README.md. Two runs write the same bytes.

const fs = require('fs');
const path = require('path');
const { start, openClient, asPromise } = require('../query/servers');
const { below, chance, pick, times } = require('../query/random')(0x51f15e);

// --- paths and patterns --------------------------------------------------------------------------------------------

const segment = () => pick(['a', 'a', 'b', 'b', 'c', 'd', 'ab', 'abc', 'A', '1', 'a_b', '']);
const somePath = () => (chance(0.9) ? '/' : '') + times(1 + below(5), segment).join('/');

const writtenPaths = [
  '/a', '/b', '/A', 'a', '/a/b', 'a/b', '/A/b', '/a/B', '/a/', '/a/b/', '/a/b/c', '/a/b/c/d', '/a/b/c/d/e', '/a/b/c/d/e/f', '/a/b/c/d/e/f/g', '/a/x/c', '/a/bx', '/a/bx/c', '/ab', '/abc', '/x/a/b',
  '/x/b/c', '/b/c', '/g/1/1', '/g/x/1', '/g/x/1/sub', '/g/x/y/1', '/a//b', '//a', '/', '/a.b/c', '/axb/c', '/a+b', '/aab', '/a(b)/c', '/ab/c', '/a{1}', '/a@b/c', '/a b/c', '/a%20b', '/a=b&c:d', '/a-b_c',
  '/_exchange/x', '/_SYSTEM/x', '/_exchange/responses/S/d/c/m/1',
];
const paths = [...new Set([...writtenPaths, ...times(60, somePath)])].filter((text) => text !== '').slice(0, 90);

const writtenPatterns = [
  '*', '**', '***', '/*', '/**', '/***', '*/*', '*/*/*', '/a', 'a', '/a/b', 'a/b', '/A/b', '/a/', '/a/*', 'a/*', '/a/**', '/a/***', '/a/*/c', '/a/*/*', '/a/*/**', '/*/b', '/*/b/*', '*/b', '*/b/c', '*b*', '/a*', '/a/b*', '/a/*c',
  '/a/b/*', '/a/b/**', '/a/**/d', '/**/b', '**/b', '/a*b*c', '/g/*/1', '/a/*/', '/*/', '//*', '/a//*', '/a//b', '/', '/a.b/*', '/a+b', '/a+*', '/a(b)/*', '/a{1}*', '/a@b/*', '/a b/*', '/a=b&c:d', '/a-*', '/*b', '*c', '/ab*', '/A*',
  '/_exchange/*', '/_exchange/responses/S/*', '/_exchange/responses/S/**', '/_exchange/*/S/*', '/nothing', '/nothing/*', '/a/b/c/d/e/f/*', '/*/*/*/*',
];
function generatedPattern() {
  const parts = pick(paths).split('/');
  const changed = parts.map((part, index) => (index > 0 && chance(0.35) ? pick(['*', '*', '*', '**', `${part}*`, `*${part}`]) : part));
  if (chance(0.2)) changed.push(pick(['*', '**']));
  return changed.join('/') || '/';
}

// --- answers -------------------------------------------------------------------------------------------------------

/** Places in the list of paths as text, `0-3,5`. */
function short(found) {
  const ranges = [];
  paths.forEach((text, place) => {
    if (!found.has(text)) return;
    const last = ranges[ranges.length - 1];
    if (last && last[1] === place - 1) last[1] = place;
    else ranges.push([place, place]);
  });
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
}

/** The meaning of a pattern of `get`: anchored at both ends, and nothing but the star is special. */
const literally = (pattern) => new RegExp(`^${pattern.replace(/[|\\{}()[\]^$+?.]/g, '\\$&').replace(/\*+/g, '.*')}$`, 's');

/** Where this host does something else than later servers do, on purpose. */
function rightForLater(pattern) {
  if (/^\/_exchange\/responses\/[^*]*\/\*$/.test(pattern)) {
    const below = pattern.slice(0, -1);
    return { answer: short(new Set(paths.filter((text) => text.startsWith(below)))), why: 'answers of the mesh are delivered at any depth' };
  }
  if (/\*\*.*\/\*\*$/.test(pattern)) return { answer: '', why: 'only the ** at the end reaches several segments' };
  return undefined;
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 3));

/** Clients of the first generation refuse to listen to other patterns. */
const isAllowedByFirst = (pattern) => /^[A-Za-z0-9\/_@*-]+$/.test(pattern);

async function heard(server, pattern, options) {
  const found = new Set();
  const handler = (data, meta) => found.add(meta.path);
  // A session of the first generation keeps traces of what it listened to before.
  const client = await openClient(server.service);
  const reference = await asPromise((done) => client.on(pattern, options, handler, done));
  if (reference && reference.error) return { error: true };
  const failures = await Promise.all(paths.map((text) => server.set(text, { n: 1 }, { noStore: true })));
  if (failures.some((answer) => answer && answer.error)) throw new Error(JSON.stringify(failures.find((answer) => answer.error)));
  await settle();
  await asPromise((done) => client.off(reference, done));
  return short(found);
}

async function main() {
  const servers = await start();
  const rows = [];
  const seen = new Set();
  const patterns = [...writtenPatterns];
  while (patterns.length < 420) patterns.push(generatedPattern());
  const unique = patterns.filter((pattern) => !seen.has(pattern) && seen.add(pattern));

  for (const pattern of unique) {
    // With ** in it, later subscriptions reach as deep as they say; some say nothing.
    const depths = pattern.endsWith('**') ? [undefined, 1, 2, 3, 6] : [undefined];
    for (const depth of depths) {
      const row = { kind: 'subscribed', pattern };
      if (depth !== undefined) row.depth = depth;
      else if (isAllowedByFirst(pattern)) row.first = await heard(servers.first, pattern, { event_type: 'set' });
      row.later = await heard(servers.later, pattern, depth === undefined ? { event_type: 'set' } : { event_type: 'set', depth });
      const right = rightForLater(pattern);
      if (right !== undefined && right.answer !== row.later) {
        row.later_right = right.answer;
        row.later_why = right.why;
      }
      rows.push(row);
    }
  }

  for (const server of [servers.first, servers.later]) {
    for (const text of paths) {
      const answer = await server.set(text, { n: 1 });
      if (answer && answer.error) throw new Error(`${text}: ${answer.error}`);
    }
  }
  for (const pattern of unique) {
    const row = { kind: 'stored', pattern };
    const right = pattern.includes('*') ? short(new Set(paths.filter((text) => literally(pattern).test(text)))) : undefined;
    for (const generation of ['first', 'later']) {
      const answer = await servers[generation].get(pattern, {});
      if (answer && answer.error) row[generation] = { error: answer.error };
      else {
        const items = answer === null ? [] : Array.isArray(answer) ? answer : [answer];
        row[generation] = short(new Set(items.map((item) => item._meta.path)));
      }
      if (right === undefined || right === row[generation]) continue;
      row[`${generation}_right`] = right;
      row[`${generation}_why`] = /[|\\{}()[\]^$+?.]/.test(pattern) ? 'characters of the path are read as a regular expression' : 'the end of the pattern is open';
    }
    rows.push(row);
  }

  // Which events a channel is about.
  for (const pattern of ['*', '**', '/a/*', '/a/b', '/a/**']) {
    for (const action of ['set', 'remove', 'all']) {
      for (const event of ['set', 'remove']) {
        const row = { kind: 'acted', pattern, action, event };
        for (const generation of ['first', 'later']) {
          const client = await openClient(servers[generation].service);
          let count = 0;
          const reference = await asPromise((done) => client.on(pattern, { event_type: action }, () => (count += 1), done));
          await asPromise((done) => (event === 'set' ? client.set('/a/b', { n: 1 }, {}, done) : client.remove('/a/b', {}, done)));
          await settle();
          await asPromise((done) => client.off(reference, done));
          row[generation] = count > 0;
          const right = action === 'all' || action === event;
          if (row[generation] === right) continue;
          row[`${generation}_right`] = right;
          row[`${generation}_why`] = 'a pattern takes no notice of the action';
        }
        rows.push(row);
      }
    }
  }

  const target = process.argv[2] || __dirname;
  fs.writeFileSync(path.join(target, 'paths.json'), `${JSON.stringify(paths, null, 1)}\n`);
  fs.writeFileSync(path.join(target, 'rows.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  process.stderr.write(`${paths.length} paths, ${rows.length} rows\n`);
  process.exit(0);
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
