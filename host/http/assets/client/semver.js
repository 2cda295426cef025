//! Version ranges as npm writes them, as far as clients need them.
//!
//! Enters: versions and ranges as texts. Leaves: whether one satisfies the other. Guaranteed: `^`, `~`, `x`, `*`,
//! `-`, `||`, comparators and exact versions mean what they mean to npm; what is not a range satisfies nothing, and nothing
//! throws. The host decides which version a call reaches; here listeners of one channel are told apart.
(function (library) {
  'use strict';

  const VERSION = /^[v=\s]*(\d{1,16})\.(\d{1,16})\.(\d{1,16})(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$/;
  const PARTIAL = /^([v=]*)(x|X|\*|\d{1,16})(?:\.(x|X|\*|\d{1,16})(?:\.(x|X|\*|\d{1,16})(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?)?)?$/;
  const MAXIMUM_LENGTH = 256;

  /** A word, or a number that npm takes for one: without leading zeros, and exact. */
  const isIdentifier = (text) => !/^\d+$/.test(text) || (/^(0|[1-9]\d*)$/.test(text) && Number.isSafeInteger(Number(text)));

  /** @returns {{numbers: number[], pre: (string|number)[]}|null} */
  function parse(text) {
    const found = typeof text === 'string' && text.length <= MAXIMUM_LENGTH && VERSION.exec(text.trim());
    if (!found) return null;
    const parts = found[4] === undefined ? [] : found[4].split('.');
    if (parts.includes('') || ![...found.slice(1, 4), ...parts].every(isIdentifier)) return null;
    return { numbers: found.slice(1, 4).map(Number), pre: parts.map((part) => (/^\d+$/.test(part) ? Number(part) : part)) };
  }

  /** The first three numbers of a text as a version, without what follows them. */
  function coerce(text) {
    const found = /(?:^|[^\d])(\d{1,16})(?:\.(\d{1,16}))?(?:\.(\d{1,16}))?(?:$|[^\d])/.exec(String(text).slice(0, MAXIMUM_LENGTH));
    const version = found && [found[1], found[2] || '0', found[3] || '0'].join('.');
    return version && parse(version) ? version : null;
  }

  function compare(left, right) {
    for (let index = 0; index < 3; index += 1) {
      if (left.numbers[index] !== right.numbers[index]) return left.numbers[index] < right.numbers[index] ? -1 : 1;
    }
    if (left.pre.length === 0 || right.pre.length === 0) return right.pre.length - left.pre.length;
    for (let index = 0; index < Math.max(left.pre.length, right.pre.length); index += 1) {
      const [one, other] = [left.pre[index], right.pre[index]];
      if (one === other) continue;
      if (one === undefined) return -1;
      if (other === undefined) return 1;
      // Numbers come before words.
      if (typeof one !== typeof other) return typeof one === 'number' ? -1 : 1;
      return one < other ? -1 : 1;
    }
    return 0;
  }

  const at = (major, minor, patch, pre) => ({ numbers: [major, minor, patch], pre: pre || [] });
  const NOTHING = [{ operator: '<', version: at(0, 0, 0, [0]) }];

  /** The comparators of one term: `^1.2`, `>=1.0.0`, `1.x`. Null when it is none. */
  function term(text) {
    const [, operator, rest] = /^(\^|~>?|>=|<=|>|<|=)?(.*)$/.exec(text);
    const found = PARTIAL.exec(rest || '*');
    if (!found) return null;
    const [, signs, ...parts] = found;
    const given = parts.slice(0, 3).map((part) => (part === undefined || /[xX*]/.test(part) ? null : Number(part)));
    const known = given.includes(null) ? given.indexOf(null) : 3;
    const [major, minor, patch] = given.map((part, index) => (index < known ? part : 0));
    const exact = known === 3 && parts[3] ? parse(`0.0.0-${parts[3]}`) : at(0, 0, 0);
    if (!exact || !parts.slice(0, known).every(isIdentifier)) return null;
    // npm overlooks doubled signs, except before a full version that nothing but them precedes.
    if (known === 3 && signs.length > 1 && !/[\^~]/.test(operator)) return null;
    if (known === 3 && signs === '=' && operator !== undefined && !/[\^~]/.test(operator)) return null;
    const lowest = at(major, minor, patch, exact.pre);
    // The first version beyond all that share the first `count` numbers.
    const beyond = (count) => (count === 1 ? at(major + 1, 0, 0) : count === 2 ? at(major, minor + 1, 0) : at(major, minor, patch + 1));
    const between = (end) => [{ operator: '>=', version: lowest }, { operator: '<', version: end }];
    switch (operator) {
      case '>=': return known === 0 ? [] : [{ operator, version: lowest }];
      case '<': return known === 0 ? NOTHING : [{ operator, version: lowest }];
      case '>':
        if (known === 0) return NOTHING;
        return known === 3 ? [{ operator, version: lowest }] : [{ operator: '>=', version: beyond(known) }];
      case '<=':
        if (known === 0) return [];
        return known === 3 ? [{ operator, version: lowest }] : [{ operator: '<', version: beyond(known) }];
      case '^':
        if (known === 0) return [];
        if (major > 0 || known === 1) return between(beyond(1));
        return between(minor > 0 || known === 2 ? beyond(2) : beyond(3));
      case '~': case '~>':
        return known === 0 ? [] : between(beyond(Math.min(known, 2)));
      default:
        if (known === 0) return [];
        return known === 3 ? [{ operator: '=', version: lowest }] : between(beyond(known));
    }
  }

  /** All comparators of a part of a range between two `||`. Null when one of its terms is none. */
  function comparators(text) {
    const hyphen = /^\s*(\S+)\s+-\s+(\S+)\s*$/.exec(text);
    const tidy = hyphen ? `>=${hyphen[1]} <=${hyphen[2]}` : text.replace(/(\^|~>?|>=|<=|>|<|=)\s+/g, '$1');
    const terms = tidy.trim().split(/\s+/).map(term);
    return terms.includes(null) ? null : terms.flat();
  }

  function holds(version, { operator, version: bound }) {
    const order = compare(version, bound);
    if (operator === '=') return order === 0;
    if (operator === '<') return order < 0;
    if (operator === '>') return order > 0;
    return operator === '<=' ? order <= 0 : order >= 0;
  }

  /** Whether a version is inside a range. A pre-release is only where the range names one of the same version. */
  function satisfies(text, range) {
    const version = parse(text);
    if (!version || typeof range !== 'string' || range.length > MAXIMUM_LENGTH) return false;
    const parts = range.split('||').map(comparators);
    return !parts.includes(null) && parts.some((all) => {
      if (!all.every((comparator) => holds(version, comparator))) return false;
      return version.pre.length === 0 || all.some(({ version: bound }) =>
        bound.pre.length > 0 && bound !== NOTHING[0].version && bound.numbers.every((number, index) => number === version.numbers[index]));
    });
  }

  /** As `satisfies`, with a pre-release counted as the version that it leads to. */
  function coercedSatisfies(text, range) {
    return text === range || satisfies(coerce(text), range);
  }

  library.semver = { satisfies, coercedSatisfies, coerce };
})(typeof module === 'object' && module.exports ? module.exports : (globalThis.Mesh = globalThis.Mesh || {}));
