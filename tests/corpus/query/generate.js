'use strict';

// Writes documents.jsonl and rows.jsonl: what real happn-3 servers of both generations answer to queries.
//
// Enters: the packages pinned in package-lock.json; all choices come from a seed. Leaves: JSON lines, described
// in README.md. Two runs write the same bytes.

const fs = require('fs');
const path = require('path');
const { start, mended, setClock, copy, isEqual } = require('./servers');
const { below, chance, pick, times } = require('./random')(0x9e3779);
const { rightAnswer, reasons, isKnownToFirst } = require('./right');

const BEGIN = 1700000000000;

// --- documents -----------------------------------------------------------------------------------------------------

const word = () => pick(['a', 'b', 'x', 'y', 'z', 'Alpha', 'beta', 'gamma ray', 'Ünïcode', '10', '2', '']);
const small = () => pick([-1, 0, 0, 1, 1, 2, 2, 3, 5, 10, 2.5]);
const maybe = (probability, make) => (chance(probability) ? make() : undefined);

const written = [
  { n: 1, s: 'a', tags: ['x', 'y'], o: { b: 1 }, z: null, items: [{ q: 1 }, { q: 2 }, {}] },
  { n: 2, s: 'b', tags: [], o: { b: 2, c: { d: 1 } }, b: true },
  { s: '5', o: null, n: -1, nums: [0, 1], b: false },
  { n: null, s: '', z: 0, tags: ['x'] },
  { n: '2', s: null, tags: 'x', nums: 1, o: { c: null } },
  { n: 0, items: [], nums: [], o: {}, z: false },
  { n: true, s: 'Alpha', items: [{ q: 2, name: 'a' }, { q: 5, name: 'b' }], z: '' },
  { n: 1.5, s: 'alpha\nbeta', items: [{ q: [1, 2] }, { q: null }], nums: [[1, 2], [3]] },
  { n: [1, 2], s: ['a', 'b'], o: [{ b: 1 }, { b: 2, c: { d: 3 } }] },
  { n: { b: 1 }, s: { c: 2 }, o: { b: { d: 1 }, c: { d: 1, e: 2 } }, tags: [['x'], 'y'] },
  { value: 42 },
  { value: 'text' },
  { value: [3, 1, 2] },
  {},
  { n: 1e21, s: '1e21', t: 1700000000000 },
  { n: 10, s: '9', t: '2023-11-14T22:13:20.000Z', nums: [10, 9] },
  { n: 9, s: '10', t: 1700000060000, o: { b: '1', c: { d: null } } },
  { n: -0.5, s: 'éclair', o: { b: false, c: [] }, items: { q: 2, name: 'c' } },
  { s: 'undefined', n: 'null', b: 'true' },
  { path: '/d/01', created: 5, data: { n: 1 }, _id: 'x', n: 3 },
];

function generatedDocument() {
  return copy({
    n: maybe(0.8, () => pick([small, small, small, word, () => null, () => true])()),
    s: maybe(0.8, () => pick([word, word, word, small, () => null])()),
    b: maybe(0.4, () => chance(0.5)),
    z: maybe(0.4, () => pick([null, 0, false, '', 1, 'x'])),
    tags: maybe(0.6, () => times(below(4), word)),
    nums: maybe(0.5, () => times(below(4), small)),
    o: maybe(0.6, () => ({ b: maybe(0.8, small), c: maybe(0.5, () => ({ d: maybe(0.8, small) })) })),
    items: maybe(0.5, () => times(below(4), () => ({ q: maybe(0.8, small), name: maybe(0.7, word) }))),
  });
}

const documents = [...written, ...times(34, generatedDocument)].map((data, index) => ({
  path: `/d/${String(index + 1).padStart(2, '0')}`,
  data,
}));
const projected = [
  { n: 1, s: 'a', o: { b: 1, c: { d: 2 } }, tags: ['x', 'y'], items: [{ q: 1, name: 'a' }, { q: 0 }, {}], big: 12345678901234567 },
  { n: 0, s: '', o: null, tags: [], items: [] },
  { o: [{ b: 1 }, { c: { d: 3 } }], tags: 7, items: { q: 5 }, n: null },
  {},
].map((data, index) => ({ path: `/p/${index + 1}`, data }));

// --- questions -----------------------------------------------------------------------------------------------------

const fields = ['n', 'n', 'n', 's', 's', 'b', 'z', 'tags', 'nums', 'o', 'o.b', 'o.c.d', 'o.c', 'items.q', 'items.name', 'items.0.q', 'tags.0',
  'nums.1', 'value', 't', 'missing', 'missing.too', 'path', '_meta.created', '_meta.modified', '_meta.path', 'created', 'modified', 'data.n', '_data.n', '_id'];
const scalar = () => pick([small, small, small, word, word, () => null, () => true, () => false, () => '2', () => 0])();
const time = () => BEGIN + below(documents.length) * 1000;
const valueFor = (field) => {
  if (/created|modified/.test(field)) return time();
  if (/path|_id/.test(field)) return pick(documents).path;
  return scalar();
};
const comparison = (field) => {
  const value = valueFor(field);
  switch (pick(['lt', 'lte', 'gt', 'gte', 'ne', 'in', 'nin', 'exists', 'eq', 'regex', 'size', 'contains', 'other'])) {
    case 'lt': return { $lt: value };
    case 'lte': return { $lte: value };
    case 'gt': return { $gt: value };
    case 'gte': return { $gte: value };
    case 'ne': return { $ne: value };
    case 'in': return { $in: times(1 + below(3), () => valueFor(field)) };
    case 'nin': return { $nin: times(1 + below(3), () => valueFor(field)) };
    case 'exists': return { $exists: chance(0.5) };
    case 'eq': return { $eq: value };
    case 'regex': return { $regex: pick(['^a', 'a', '[xyz]', '^\\d+$', ['^A', 'i'], ['ALPHA|beta', 'i'], '.', 'n', '^.$', '\\s', ['^b', 'm']]) };
    case 'size': return { $size: below(4) };
    case 'contains': return pick([{ $contains: word() }, { $contains: [word(), word()] }, { $containsAny: [word(), word()] }, { $containsNone: [word(), word()] }]);
    default: return pick([{ $aeq: value }, { $dteq: value }, { $jgt: value }, { $jlte: value }, { $between: [0, value] }, { $jbetween: [0, value] }, { $len: 1 + below(3) },
      { $type: pick(['string', 'number', 'array', 'object', 'undefined', 'boolean']) }, { $finite: chance(0.5) }, { $containsString: word() },
      { $keyin: { a: 1, x: 2 } }, { $nkeyin: { a: 1, 1: 2 } }, { $size: { $gt: 1 } }, { $not: { $gt: value } }, { $or: [{ $lt: value }, { $gt: 3 }] }, { $and: [{ $gt: 0 }, { $lt: 3 }] },
      { $elemMatch: { q: small() } }, { $elemMatch: { q: { $gt: small() } } }]);
  }
};
const basic = (field) => pick([
  () => ({ $lt: valueFor(field) }), () => ({ $gte: valueFor(field) }), () => ({ $ne: valueFor(field) }), () => ({ $in: [valueFor(field), valueFor(field)] }),
  () => ({ $exists: chance(0.5) }), () => valueFor(field), () => valueFor(field),
])();

function test(field) {
  if (chance(0.25)) return valueFor(field);
  if (chance(0.05)) return pick([{ b: 1 }, { b: 2, c: { d: 1 } }, ['x', 'y'], [], {}, [1, 2]]);
  if (chance(0.3)) return { ...basicOperators(field), ...basicOperators(field) };
  return comparison(field);
}
const basicOperators = (field) => {
  const made = basic(field);
  return typeof made === 'object' && made !== null ? made : { $gt: made };
};
const condition = (depth, make) => {
  if (depth > 0 && chance(0.35)) {
    const operator = pick(['$and', '$or', '$or', '$not', '$nor']);
    if (operator === '$not') return { $not: condition(depth - 1, make) };
    return { [operator]: times(1 + below(3), () => condition(depth - 1, make)) };
  }
  const names = new Set(times(pick([1, 1, 1, 2]), () => pick(fields)));
  return Object.fromEntries([...names].map((name) => [name, make(name)]));
};

const writtenCriteria = [
  {}, 'x', 5, true, [], [{ n: 1 }], null, 0, { n: { $gt: 0, $lt: 2 } }, { n: { $gt: '0' } }, { n: { $lt: 5 } }, { 'nums.0': 0 }, { 'nums.0': 1 }, { 'tags.0': 'x' },
  { items: { $elemMatch: { q: 2 } } }, { items: { $elemMatch: { q: 2, name: 'a' } } }, { items: { $elemMatch: { q: { $gt: 1, $lt: 5 } } } },
  { n: { $foo: 1 } }, { $foo: [{ n: 1 }] }, { n: { $in: 1 } }, { $or: { n: 1 } }, { $and: 1 }, { s: { $regex: 5 } }, { s: { $regex: { a: 1 } } }, { s: { $regex: '(' } }, { s: { $regex: ['a', 'k'] } },
  { n: { $gt: 0, q: 1 } }, { s: { $regex: ['a', 'g'] } }, { n: { $regex: 'und' } }, { n: { $regex: '^[0-9.]+$' } }, { tags: { $regex: 'x,y' } }, { tags: { $size: 2 } }, { tags: { $size: 1.5 } },
  { $not: { n: 1 } }, { n: { $not: { $eq: 1 } } }, { $not: { $or: [{ n: 1 }, { n: 2 }] } }, { $nor: [{ n: 1 }, { s: 'a' }] }, { $or: [{ n: 1 }, { n: 2 }] }, { $or: [{ n: { $gt: 1 } }, { s: 'a' }] },
  { $and: [{ n: 1 }, { s: 'a' }] }, { $and: [{ n: { $gt: 0 } }, { n: { $lt: 3 } }] }, { $or: [] }, { $and: [] }, { $or: [{}] }, { o: { b: 1 } }, { o: { c: { d: 1 }, b: 2 } }, { o: {} }, { tags: ['x', 'y'] }, { tags: [] },
  { tags: 'x' }, { tags: { $ne: 'x' } }, { tags: { $in: ['x'] } }, { tags: { $contains: 'x' } }, { tags: { $exists: true } }, { 'tags.length': 2 }, { _meta: 1 }, { _id: '/d/01' }, { path: '/d/01' },
  { '_meta.path': '/d/01' }, { created: 5 }, { 'data.data.n': 1 }, { '_meta.created': { $gte: BEGIN + 5000, $lte: BEGIN + 9000 } },
  { $and: [{ '_meta.created': { $gte: BEGIN + 5000 } }, { '_meta.created': { $lte: BEGIN + 9000 } }] }, { '_meta.created': { $$eq: 'modified' } }, { '_meta.modified': { $$gt: 'created' } },
  { $or: [{ path: '/d/01' }, { $and: [{ n: { $gte: 2 } }, { $or: [{ s: 'b' }, { 'o.b': { $exists: true } }] }] }] },
];

const writtenArrangements = [
  { sort: { n: 1 } }, { sort: { n: -1 } }, { options: { sort: { s: 1 } } }, { sort: { s: -1, n: 1 } }, { sort: {} }, { sort: 'n' }, { sort: { n: '-1' } }, { sort: { n: 0 } }, { sort: { n: true } },
  { sort: { n: 1 }, options: { sort: { s: 1 } } }, { sort: { path: -1 } }, { sort: { '_meta.created': 1 } }, { sort: { '_meta.created': -1 } }, { sort: { '_meta.modified': -1 } }, { sort: { created: 1 } },
  { sort: { 'o.b': 1 } }, { sort: { 'o.c.d': -1 } }, { sort: { 'items.q': 1 } }, { sort: { 'nums.1': 1 } }, { sort: { 'data.n': 1 } }, { sort: { tags: 1 } }, { sort: { o: -1 } }, { sort: { t: 1 } }, { sort: { z: 1 } }, { sort: { _id: -1 } },
  { options: { limit: 3 } }, { options: { limit: 0 } }, { options: { limit: '3' } }, { options: { limit: 1000 } }, { options: { limit: null } }, { options: { skip: 3 } }, { options: { skip: '3' } },
  { options: { skip: 1000 } }, { options: { limit: 3, skip: 50 } }, { options: { skip: 5, limit: 5 } }, { limit: 3 }, { skip: 3 }, { options: { limit: 3, sort: { n: -1 } } }, { options: 5 }, { options: 'x' }, { options: null }, {},
  { options: { aggregate: [{ $group: {} }] } }, { aggregate: [{}] }, { options: { collation: { locale: 'en' } } }, { collation: { locale: 'en' } }, { options: { criteria: { n: 1 } } }, { options: { projection: { n: 1 } } },
];
const arrangement = () => {
  const sort = Object.fromEntries(times(1 + below(2), () => [pick(fields.filter((name) => !/items|tags|nums|value|missing|data|^created|^modified|_meta.path/.test(name))), pick([1, -1])]));
  const made = chance(0.5) ? { sort } : { options: { sort } };
  if (chance(0.5)) made.options = { ...made.options, limit: 1 + below(10) };
  if (chance(0.4)) made.options = { ...made.options, skip: below(10) };
  if (chance(0.3)) made.criteria = { n: { $gte: small() } };
  return made;
};

const projections = [
  { fields: { n: 1 } }, { fields: { n: 0 } }, { fields: { n: true } }, { fields: { n: null } }, { fields: { n: 1, s: 1 } }, { fields: { 'o.b': 1, s: 1 } }, { fields: { 'o.b': 1, 'o.c.d': 1 } }, { fields: { o: 1, 'o.b': 1 } },
  { fields: { 'items.q': 1 } }, { fields: { 'items.q': 1, 'items.name': 1 } }, { fields: { 'items.0.q': 1 } }, { fields: { 'tags.1': 1 } }, { fields: { 'tags.0': 1, n: 1 } }, { fields: { 'o.1.c': 1 } }, { fields: { nope: 1 } },
  { fields: { 'nope.at.all': 1 } }, { fields: { created: 1, n: 1 } }, { fields: { modified: 1 } }, { fields: { '_meta.created': 1 } }, { fields: { '_meta.modified': 1, '_meta.created': 1 } }, { fields: { path: 1, n: 1 } },
  { fields: { '_meta.path': 1 } }, { fields: { _id: 1 } }, { fields: { _meta: 1 } }, { fields: { o: { b: 1 } } }, { fields: {} }, { fields: ['n'] }, { fields: 'n' }, { fields: null }, { path_only: true }, { path_only: 1 }, { path_only: false },
  { options: { path_only: true } }, { path_only: true, fields: { n: 1 } }, { options: { path_only: true }, fields: { n: 1 } }, { options: { fields: { n: 1 } } }, { options: { fields: { n: 1 } }, fields: { s: 1 } }, { fields: { 'data.n': 1 } },
  { fields: { '_data.n': 1 } }, { fields: { 'data.n': 1, s: 1 } }, { fields: { big: 1 } }, { fields: { 'o.c': 1, 'o.c.d': 1 } }, { fields: { n: 1 }, criteria: { s: 'a' } }, { fields: { n: 1 }, options: { limit: 1, sort: { n: -1 } } },
  { options: { projection: { n: 1 } } }, {}, { criteria: { n: 1 } }, { criteria: { n: 2 } }, { options: { skip: 1 } }, { options: { limit: 0 } },
];

// --- answers -------------------------------------------------------------------------------------------------------

/** Numbers in ascending order as text, `1-3,5`; others as they are. */
function short(answer) {
  if (!Array.isArray(answer)) return answer;
  if (answer.some((number, index) => index > 0 && number <= answer[index - 1])) return answer;
  const ranges = [];
  for (const number of answer) {
    const last = ranges[ranges.length - 1];
    if (last && last[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
}

const numberOf = (item) => Number(item._meta.path.slice(3));
const ownMeta = (meta) => Object.fromEntries(Object.entries(meta).filter(([key]) => ['created', 'modified', 'path', '_id'].includes(key)));
const asItem = (item) => {
  if (item === null || item.error) return item;
  const { protocol, ...rest } = item;
  return { ...rest, _meta: ownMeta(item._meta) };
};

async function main() {
  const servers = await start();
  const store = await mended();
  const all = [...documents, ...projected];
  // Creation does not follow the order of paths, and some documents are written again.
  const order = all.map((document, index) => [(index * 37) % all.length, document]).sort((left, right) => left[0] - right[0]);
  for (const [index, [, document]] of order.entries()) {
    document.created = document.modified = BEGIN + index * 1000;
    setClock(document.created);
    for (const server of [servers.first, servers.later]) await server.set(document.path, document.data);
  }
  for (const [index, document] of all.entries()) {
    if (index % 3 !== 0) continue;
    document.modified = BEGIN + 100000 + (index % 7) * 1000 + index;
    setClock(document.modified);
    for (const server of [servers.first, servers.later]) await server.set(document.path, document.data);
  }
  for (const [, document] of order) {
    store.upsertInternal(document.path, { data: copy(document.data), _meta: { created: document.created, modified: document.modified } }, {}, true);
  }
  const stores = { first: servers.first.store, later: store };

  const rows = [];
  const seen = new Set();
  async function ask(section, options) {
    const key = JSON.stringify(options);
    if (seen.has(key)) return;
    seen.add(key);
    const row = { section, options };
    for (const generation of ['first', 'later']) {
      // An operator that the first generation does not know is an error there, and answered by the rules of its like here.
      if (generation === 'first' && !isKnownToFirst(options.criteria)) continue;
      // A client inside the first server leaves a _meta in data that is written again; no other client can.
      if (generation === 'first' && key.includes('"_meta.path"')) continue;
      const answer = await servers[generation].get('/d/*', options);
      const numbers = answer.error ? { error: answer.error } : answer.map(numberOf);
      row[generation] = short(numbers);
      const right = await rightAnswer(generation, stores[generation], documents, options);
      if (right !== undefined && !isEqual(right, answer.error ? { error: true } : numbers)) {
        row[`${generation}_right`] = short(right);
        row[`${generation}_why`] = reasons(generation, options, numbers);
      }
    }
    rows.push(row);
  }

  for (const criteria of writtenCriteria) await ask('written', { criteria });
  while (rows.length < 1300) await ask('criteria', { criteria: condition(2, test) });
  while (rows.length < 1800) await ask('basic', { criteria: condition(3, basic) });
  for (const options of writtenArrangements) await ask('arranged', options);
  while (rows.length < 2050) await ask('arranged', arrangement());

  for (const options of projections) {
    for (const where of ['/p/*', '/p/1', '/p/4', '/p/none']) {
      const row = { section: 'projected', path: where, options };
      for (const generation of ['first', 'later']) {
        const answer = await servers[generation].get(where, options);
        row[generation] = answer && answer.error ? { error: answer.error } : Array.isArray(answer) ? answer.map(asItem) : answer === null ? null : asItem(answer);
      }
      rows.push(row);
    }
  }
  for (const options of [{}, { criteria: { n: { $gte: 2 } } }, { criteria: { n: 1 }, options: { limit: 1 } }, { options: { limit: 5 } }, { options: { skip: 50 } }, { options: { skip: 50, limit: 2 } }, { options: { skip: 500 } }, { fields: { n: 1 } }]) {
    const answer = await servers.later.count('/d/*', options);
    rows.push({ section: 'counted', options, later: answer.value });
  }

  const write = (name, lines) => fs.writeFileSync(path.join(process.argv[2] || __dirname, name), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  write('documents.jsonl', all);
  write('rows.jsonl', rows);
  const wrong = rows.filter((row) => row.first_right || row.later_right).length;
  process.stderr.write(`${rows.length} rows, ${wrong} where a server is wrong\n`);
  process.exit(0);
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
