'use strict';

// The right answer to a query, found with the real stores.
//
// Servers rewrite a query before their store sees it, and lose parts of it. Here the query is taken apart instead: each
// condition on one field goes to the store alone, under the name the store has for the field, and the results are joined
// as sets. So the store's own way of comparing counts, and the faults of rewriting do not.

const META = ['_id', 'path', 'created', 'modified', 'timestamp', 'createdBy', 'modifiedBy'];
const KNOWN_TO_FIRST = ['$lt', '$lte', '$gt', '$gte', '$ne', '$in', '$nin', '$exists', '$size', '$elemMatch', '$and', '$or', '$not', '$foo'];

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

function storeName(generation, name) {
  if (generation === 'first') {
    if (['_id', 'path', '_meta'].includes(name)) return name;
    if (name === '_meta.created' || name === '_meta.modified') return name.slice(6);
    return `data.${name}`;
  }
  const bare = name.startsWith('_meta.') ? name.slice(6) : name;
  if (META.includes(bare)) return bare;
  if (name === '_meta' || name.startsWith('data.')) return name;
  if (name.startsWith('_data.')) return name.slice(1);
  return `data.${name}`;
}

/** Whether all operators are ones that the first generation has, and where it has them. */
function isKnownToFirst(criteria) {
  const isKnown = (value, inField) => {
    if (Array.isArray(value)) return value.every((item) => isKnown(item, inField));
    if (!isObject(value)) return true;
    return Object.entries(value).every(([key, inner]) => {
      if (!key.startsWith('$')) return isKnown(inner, true);
      if (key === '$size' && typeof inner === 'object') return false;
      if (!KNOWN_TO_FIRST.includes(key) || (inField && ['$and', '$or', '$not'].includes(key))) return false;
      return key === '$elemMatch' || ['$and', '$or', '$not'].includes(key) ? isKnown(inner, false) : true;
    });
  };
  return isKnown(criteria, false);
}

/** Operators as the store of the later generation wants them: regular expressions made. */
function compiled(value) {
  if (Array.isArray(value)) return value.map(compiled);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      if (key !== '$regex') return [key, compiled(inner)];
      if (typeof inner !== 'string' && !Array.isArray(inner)) throw new Error('$regex');
      const [pattern, flags] = Array.isArray(inner) ? inner : [inner];
      return [key, new RegExp(pattern, flags && flags.replace('g', ''))];
    })
  );
}

const hasOperators = (value) => isObject(value) && Object.keys(value).some((key) => key.startsWith('$'));

class Unanswerable extends Error {}

/** The right answer: numbers of documents, `{error: true}`, or undefined where only the server itself can say. */
async function rightAnswer(generation, store, documents, options) {
  const all = new Set(documents.map((document) => document.path));
  const find = (criteria, sort) =>
    new Promise((resolve, reject) => {
      store.find('/d/*', { criteria, options: sort ? { sort } : {} }, (error, items) => (error ? reject(error) : resolve(items.map((item) => item.path || item._id))));
    });
  const join = async (list, how) => {
    if (!Array.isArray(list)) throw new Error('a list is needed');
    const sets = [];
    for (const item of list) sets.push(await evaluate(item));
    return new Set([...all].filter((path) => sets[how]((set) => set.has(path))));
  };
  const without = (set) => new Set([...all].filter((path) => !set.has(path)));
  const intersect = (left, right) => new Set([...left].filter((path) => right.has(path)));

  async function leaf(name, test) {
    const field = storeName(generation, name);
    if (!hasOperators(test)) {
      return new Set(await find({ [field]: generation === 'later' ? { $eq: test } : test }));
    }
    if (generation === 'first') return new Set(await find({ [field]: test }));
    let found = all;
    for (const [operator, argument] of Object.entries(test)) {
      if (operator === '$elemMatch' && !isObject(argument)) throw new Unanswerable();
      if (['$in', '$nin'].includes(operator) && !Array.isArray(argument)) throw new Error('$in');
      if (operator === '$size' && typeof argument === 'number' && argument % 1 !== 0) throw new Error('$size');
      found = intersect(found, new Set(await find({ [field]: compiled({ [operator]: argument }) })));
    }
    return found;
  }

  async function evaluate(criteria) {
    if (!isObject(criteria)) {
      if (Array.isArray(criteria) && criteria.length > 0 && generation === 'later') throw new Error('an array');
      return generation === 'first' ? new Set() : all;
    }
    let found = all;
    for (const [name, test] of Object.entries(criteria)) {
      let these;
      if (name === '$and') these = await join(test, 'every');
      else if (name === '$or') these = await join(test, 'some');
      else if (name === '$nor') these = without(await join(test, 'some'));
      else if (name === '$not') these = without(await evaluate(test));
      else if (name.startsWith('$')) throw new Error('unknown');
      else these = await leaf(name, test);
      found = intersect(found, these);
    }
    return found;
  }

  let found;
  try {
    found = options.criteria ? await evaluate(options.criteria) : all;
  } catch (error) {
    if (error instanceof Unanswerable) return undefined;
    return { error: true };
  }
  const nested = isObject(options.options) ? options.options : {};
  if (generation === 'later' && [options, nested].some((parts) => parts.aggregate || parts.collation)) return { error: true };
  let sort = options.sort || nested.sort;
  sort = isObject(sort) ? Object.fromEntries(Object.entries(sort).map(([name, direction]) => [storeName(generation, name), direction])) : undefined;
  let paths = [...all];
  if (sort && Object.keys(sort).length > 0) paths = (await find({}, sort)).filter((path) => all.has(path));
  paths = paths.filter((path) => found.has(path));
  if (generation === 'later' && nested.skip) paths = paths.slice(Number(nested.skip));
  if (nested.limit) paths = paths.slice(0, Number(nested.limit));
  return paths.map((path) => Number(path.slice(3)));
}

/** Which known faults of the server the query can have met, by their names in README.md. */
function reasons(generation, options, answer) {
  const found = new Set();
  const walk = (value, inList) => {
    if (Array.isArray(value)) return value.forEach((item) => walk(item, true));
    if (!isObject(value)) return undefined;
    for (const [key, inner] of Object.entries(value)) {
      if (key === '$elemMatch') found.add('elemMatch');
      if (key === '$regex') found.add('regex');
      if (generation === 'later') {
        if (key === '$not' && !inField.has(value)) found.add('not');
        if (key === '$nor') found.add('nor');
        if (hasOperators(inner) && Object.keys(inner).length > 1) found.add('first operator');
        if (!key.startsWith('$') && inner === null) found.add('null');
        if (!key.startsWith('$') && typeof inner === 'object' && inner !== null && !hasOperators(inner)) found.add('whole');
      } else {
        if (!key.startsWith('$') && inList) found.add('lists');
        if (!key.startsWith('$') && !inner) found.add('falsy');
        if (!key.startsWith('$') && typeof inner === 'object' && inner !== null && !hasOperators(inner)) found.add('whole');
      }
      if (!key.startsWith('$') && isObject(inner)) inField.add(inner);
      walk(inner, inList || key === '$not');
    }
    return undefined;
  };
  const inField = new Set();
  walk(options.criteria, false);
  if (generation === 'later') {
    if (answer.error && answer.error.includes("'in' operator")) found.add('null on the way');
    if (JSON.stringify(options.criteria || '').includes('"$foo"')) found.add('odd');
    if (options.sort && Object.keys(options.sort).length === 0) found.add('sort');
    if (typeof options.sort === 'string') found.add('sort');
  }
  if (options.sort || (options.options && options.options.sort)) found.add('sort names');
  if (found.size === 0) found.add('odd');
  return [...found].join(', ');
}

module.exports = { rightAnswer, reasons, isKnownToFirst };
