'use strict';

// Writes corpus.jsonl: what the semver packages of real clients answer.
//
// Enters: nothing but the packages pinned in package-lock.json; all choices come from a seeded generator.
// Leaves: one JSON object per line, described in README.md. Two runs write the same bytes.

const assert = require('assert');
const fs = require('fs');
const path = require('path');

const happner = require('happner-semver');
const semver5 = require('semver-5.3');
const semver7 = require('semver-7');

const SEED = 0x5eed;
const MAX_NUMBER = Number.MAX_SAFE_INTEGER;

// --- choices -------------------------------------------------------------------------------------------------------

let state = SEED;

/** The next number of mulberry32, in [0, 1). */
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
}

const below = (limit) => Math.floor(random() * limit);
const chance = (probability) => random() < probability;
const pick = (list) => list[below(list.length)];
const times = (count, make) => Array.from({ length: count }, make);

// --- verdicts ------------------------------------------------------------------------------------------------------

/** true, false, or "throw" for a version that the package cannot read. */
function strict(package_, version, range) {
  try {
    return package_.satisfies(version, range);
  } catch (error) {
    assert(error instanceof TypeError, error);
    return 'throw';
  }
}

/** coercedSatisfies, which semver itself does not have, in terms of its own functions. */
function coercedSatisfies7(version, range) {
  return version === range || semver7.satisfies(semver7.coerce(version), range);
}

/** Whether a number in the prerelease is beyond what doubles can count. */
function isImprecise(version) {
  const parsed = semver5.parse(version.trim());
  return parsed !== null && parsed.prerelease.some((part) => /^\d+$/.test(part) && Number(part) > MAX_NUMBER);
}

/** Whether the text is a version by the letter of semver.org. */
function isStrict(version) {
  return /^\d/.test(version) && version === version.trim() && semver5.valid(version) !== null;
}

const rows = { vector: [], written: [], generated: [], mutated: [], divergent: [], lenient: [], coerce: [] };
const seen = new Set();

function compare(section, range, version) {
  const key = JSON.stringify([range, version]);
  if (seen.has(key)) return;
  seen.add(key);

  const row = {
    range,
    version,
    valid: semver5.validRange(range) !== null,
    strict: strict(semver5, version, range),
    coerced: happner.coercedSatisfies(version, range),
  };
  assert.strictEqual(strict(happner, version, range), row.strict, key);

  // semver 7 answers false where 5.3 throws: that is the same decision about the range.
  const other = { strict: strict(semver7, version, range), coerced: coercedSatisfies7(version, range) };
  const agrees = (row.strict === 'throw' ? false : row.strict) === other.strict && row.coerced === other.coerced;

  if (row.strict !== 'throw' && (isImprecise(version) || (!isStrict(version) && row.valid))) {
    rows.lenient.push({ section: 'lenient', ...row });
  } else if (agrees) {
    rows[section].push({ section, ...row });
  } else {
    rows.divergent.push({ section: 'divergent', ...row, semver7: other });
  }
}

function coerce(version) {
  const key = JSON.stringify([version]);
  if (seen.has(key)) return;
  seen.add(key);
  const text = (parsed) => parsed && parsed.version;
  const coerced = text(happner.coerce(version));
  const other = text(semver7.coerce(version));
  assert.strictEqual(other, coerced, key);
  rows.coerce.push({ section: 'coerce', version, coerced });
}

// --- written by hand -----------------------------------------------------------------------------------------------

const vectors = {
  ranges: ['*', '^1.0.0', '1.2.3', '~1.2.0', '^2.0.0', '^1.2.3-prerelease-0', '1.2.3-prerelease-1',
    '1.2.3-prerelease-2', 'garbage', ''],
  versions: ['1.2.3', '1.2.3-prerelease-1', '2.0.0-alpha', '1.2', 'garbage'],
};

const long = (length) => 'a'.repeat(length);

const writtenRanges = [
  // Operators and incomplete versions.
  '>1.x', '<1', '<=1', '>1', '>=1', '>1.2', '<1.2', '<=1.2', '>=1.2', '>=1.2.x', '<=1.2.*', '~>1.2', '~>1', '~>1.2.3',
  '~1', '~1.2', '~0', '~0.0', '~0.0.1', '~1.2.3-beta', '~1.2.3-beta.2', '~*', '~x', '^*', '^x', '^X', '^1', '^1.2',
  '^1.x', '^0.x', '^0', '^0.0', '^0.0.x', '^0.0.0', '^0.0.1', '^0.1', '^0.1.2', '^0.0.1-beta', '^0.1.2-beta.1',
  '^1.2.x-beta', '^1.2.3-beta', '^1.2.3-0', '1', '1.2', '1.x', '1.X', '1.*', '1.2.x', '1.2.X', '1.2.*', 'x', 'X', '*',
  'x.1', 'x.1.2', '*.1', '*.*.*', 'x.x.x', '1.x.2', '1.*.2', '>=*', '<=*', '=*', '<*', '>*', '> *', '< x', '>=x', '=x',
  '=1', '=1.2', '=1.2.3', '= 1.2.3', '==1.2.3', '==1.2', '== 1.2.3', 'v1.2.3', 'v1.2', 'v1', '=v1.2.3', '= v1.2.3',
  'v=1.2.3', 'v=1.2', 'v= 1.2', 'vv1.2.3', 'vv1.2', 'v 1.2.3', 'V1.2.3', '^v1.2.3', '~v1.2', '>v1.2.3', '>=v1.2',
  '^=1.2.3', '~=1.2', '^ = 1.2', '^= 1.2', '~= 1.2.3', '^>1.2.3', '~>=1.2.3', '~>v1.2.3', '~<1.2.3', '~^1.2.3', '^~1',
  // White space.
  ' 1.2.3', '1.2.3 ', '  ^1.2.0  ', '\t1.2.3\t', '\n1.2.3', '1.2.3\r\n', '>= 1.2.3', '>=\t1.2.3', '>=  1.2.3   <  2.0.0',
  '>1.0.0\t<2.0.0', '>1.0.0\n<2.0.0', '^ 1.2.3', '^\t1.2.3', '~ 1.2.3', '~> 1.2.3', '~  >  1.2.3', '~> >1.2.3', '~ ~1',
  '^ ^1', '> = 1.2.3', '> =1.2.3', '>= =1.2.3', '< = 2', '> >1.2.3', ' ', '\t', '\u00a01.2.3\u00a0', '\ufeff1.2.3',
  '1.2.3\u3000', '>=\u20021.2.3', '1.2.3\u0085', '1.2.3\u200b', '\u20281.2.3', '1.2.3\v', '1.2.3\f', '1.2.3\0', '\u180e1.2.3',
  // Alternatives.
  '||', '|| ', ' || ', '|', '|||', '||||', '1.2.3||', '||1.2.3', '1.2.3 || ', '1.2.3||2.0.0', '1.2.3 || 2.0.0',
  '1.2.3  ||  2.0.0', '1.2.3 | 2.0.0', '1.2.3 ||| 2.0.0', '^1 || ^2', '^1||^3||5.x', '<1.0.0 || >=2.0.0', '^1 || latest',
  'latest || ^1', '||^1', '1.2.3\t||\t2.0.0', '^1.2.3-beta || ^2.0.0-alpha', '>1 ||', '1 || 2 || 3 || 4 || x',
  // Several comparators.
  '>=1.0.0 <2.0.0', '>=1.2.3 <1.2.4', '>1.2.3 <1.2.4', '>=1.2.3-alpha <1.2.3', '>=1.2.3-alpha <1.2.3-beta.3',
  '>1.2.3-alpha <2.0.0-alpha', '>=1.0.0,<2.0.0', '>=1.0.0, <2.0.0', '>=1.0.0&&<2.0.0', '>=1.0.0<2.0.0', '* 1.2.3', '1.2.3 *',
  '* *', '^1.2.0 ~1.2.3', '^1 ^2', '>=1 >=2', '<2 <1', '=1.2.3 =1.2.3', '1.2.3 1.2.3', '>1.2.3 1.2.3', '>=0.0.0',
  '>=0.0.0-0', '>0.0.0', '<0.0.0', '<0.0.0-0', '<=0.0.0', '<* >=0.0.0-alpha', '>* >=0.0.0-alpha', '^2.0.0 >=2.0.0-alpha',
  '^1.2.3 >=2.0.0-alpha', '<2 >=2.0.0-alpha', '1.x >=2.0.0-alpha', '~1.2 >=1.3.0-alpha', '<1 >=1.0.0-alpha',
  '>=1 >=1.0.0-alpha', '>1 >=2.0.0-alpha', '<=1 >=2.0.0-alpha', '* >=1.2.3-alpha',
  // Hyphen ranges.
  '1.2.3 - 2', '1.2 - 2.3.4', '1 - 2', '1 - 2.3', '1.2.3 - 2.3.4', '1.0.0 - 1.0.0', '2.0.0 - 1.0.0', '1.2.3-2.3.4',
  '1.2.3 -2.3.4', '1.2.3- 2.3.4', '1.2.3\t-\t2.3.4', ' 1.2.3  -  2.3.4 ', '1.2.3-alpha - 2.0.0-beta', '1.2.3 - 2.0.0-beta',
  '1.2.3-alpha - 1.2.3-beta', '1.2.3-alpha - 1.2.3', 'x - 2', '1 - x', '* - *', 'x - x', 'x - 2.0.0-beta', '1.x - 2.x',
  '1.x - 2.1.x', 'v1 - v2', 'v1.2.3 - v2.3.4', '=1.2.3 - 2.3.4', '=1.2 - 2.3.4', '1.2.3 - =2.3.4', '1.2.3 - =2.3',
  '1.2.3 - = 2', '1.2.3 - =2.3.4-beta', '= 1.2 - = 2', '1.2.3 - 2.3.4 || 5', '1 - 2 - 3', '1 -  - 2', '- 2', '1 -', '-',
  '>1 - 2', '1 - <2', '^1 - 2', '1 - 2 3', '0 1 - 2', '1.2.3+build - 2.3.4+build', '1.2.3 - 2.3.4-beta+build',
  '1 - 2+build', '1 - 2-beta', '* - 1', 'v 1 - v 2', '01 - 2', '1 - 02', '2 - 1', '9007199254740992 - x',
  // Prereleases and build metadata.
  '1.2.3-alpha', '1.2.3-beta', '1.2.3-beta.2', '1.2.3-0', '1.2.3-00', '1.2.3-01', '1.2.3-0a', '1.2.3-a.01', '1.2.3-1.2',
  '1.2.3--', '1.2.3-', '1.2.3--1', '1.2.3-a-b', '1.2.3-a--b.-', '1.2.3-alpha..1', '1.2.3-alpha.', '1.2.3-.alpha',
  '1.2.3beta', '1.2.3beta.2', '>1.2.3beta', '>1.2.3-beta', '>=1.2.3-beta', '<1.2.3-beta', '<=1.2.3-beta.2', '>1.2.3-beta.2',
  '>1.2.3-beta.10', '<1.2.3-beta.10', '>1.2.3-9', '<1.2.3-A', '>1.2.3-A', '>1.2.3-a', '1.2-beta', '1-beta', '1.2.x-beta',
  '1.2.x-beta+b', '1.x.x-beta', 'x.x.x-beta', '1.2.3+build', '1.2.3+build.5', '>=1.2.3+build', '^1.2.3+build', '~1.2.3+build',
  '^1.2.3-beta+build', '1.2.3+', '1.2.3+a+b', '1.2.3+a..b', '1.2+build', '1.x+build', '1.2.3-beta+build', '1.2.3+a-b',
  '1.2.3+001', '1.2.x+build', '1.2.3-beta_1', '1.2.3-\u00e9',
  // Numbers.
  '01.2.3', '1.02.3', '1.2.03', '01', '1.02', '^01', '>=01.2.3', '00', '0', '0.0', '0.0.0', '-1', '-1.2.3', '+1.2.3', '1e3',
  '9007199254740990', '9007199254740991', '9007199254740991.0.0', '9007199254740992.0.0', '^9007199254740990.0.0',
  '^9007199254740991.0.0', '~9007199254740991.0.0', '~1.9007199254740991.0', '~1.9007199254740990.0', '^0.9007199254740991.0',
  '^0.0.9007199254740991', '^0.0.9007199254740990', '>9007199254740991', '>=9007199254740991', '<9007199254740991',
  '<=9007199254740991', '<=9007199254740991.0.0', '>9007199254740991.9007199254740991.9007199254740991',
  '<9007199254740991.9007199254740991.9007199254740991', '<=1.9007199254740991', '>1.9007199254740991', '1.9007199254740991',
  '1.9007199254740992', '1.x.9007199254740993', 'x.9007199254740993', '^1.x.99999999999999999999', '>=99999999999999999999',
  '<99999999999999999999', '^99999999999999999999', '1.2.99999999999999999999999', '99999999999999999999 - 1',
  '1 - 99999999999999999999', '1.2.3-9007199254740991', '>1.2.3-9007199254740990', '>1.2.3-9007199254740992',
  '<1.2.3-9007199254740992', '<1.2.3-99999999999999999999', `>=1.2.3-${'9'.repeat(100)}`, '9'.repeat(300), `^${'9'.repeat(300)}`,
  `x.${'9'.repeat(300)}`,
  // Lengths.
  `1.2.3-${long(250)}`, `1.2.3-${long(251)}`, `v1.2.3-${long(249)}`, `v1.2.3-${long(250)}`, `>=1.2.3-${long(250)}`,
  `>=1.2.3-${long(251)}`, `^1.2.3-${long(250)}`, `^1.2.3-${long(251)}`, `~1.2.3-${long(251)}`, `1.2.3+${long(250)}`,
  `1.2.3+${long(251)}`, `^1.2.3+${long(300)}`, `~1.2.3+${long(300)}`, `^1.2.3-a+${long(300)}`, `1.2.x+${long(300)}`,
  `1.2.x-${long(300)}`, `1 - 2.3.4-a+${long(300)}`, `1 - 2.3.4+${long(251)}`, `1.2.3+${long(251)} - 3`,
  `1 - 2.3.4-${long(251)}`, `${' '.repeat(300)}1.2.3`, `1.2.3${' '.repeat(300)}<2`, `>=${'\t'.repeat(300)}1.2.3`,
  times(60, (_, index) => `1.${index}.3`).join(' || '), times(80, (_, index) => `>=1.2.${index % 3}`).join(' '),
  '||'.repeat(200), '>'.repeat(300), 'v'.repeat(300), `${'v'.repeat(300)}1`, `${'='.repeat(300)}1`, '~ '.repeat(150),
  // Texts that are ranges only by the way they are rewritten, or only look like ranges.
  '1.2.3*', '*1.2.3', '1.*2.3', '>*1.2.3', '1.2.3-*', '1.2.3-a*b', '1.2.3>*', '1.2.3> *', '1.2.3=*', '**', '*x', 'x*',
  '>=1.2.3*', '^1.2.3*', '~*1.2.3', '*>1.2.3', '*> 1.2.3', '*=1.2.3', '*v1.2.3', 'v*1.2.3', '<=>*', '=>*', '=<1.2.3',
  '=>1.2.3', '><1.2.3', '>>1.2.3', '<>1.2.3', '!=1.2.3', '!1', '!1.2.3', '>', '<', '>=', '<=', '=', '^', '~', '~>', '^ ', '>= ',
  'latest', 'next', 'garbage', 'Infinity', 'NaN', 'null', 'undefined', 'true', '{}', '1.2.3.4', '1.2.3.', '.1.2.3', '1..3', '1.',
  '.', '1.2.', '..', '1,2,3', '1.2.3;', '(1.2.3)', '"1.2.3"', '\'1.2.3\'', 'a.b.c', '1.a', '1.2.a', '1.2.3 a', 'a 1.2.3',
  'http://example.com/1.2.3', 'git+ssh://example.com#semver:^1.0', 'npm:semver@1.2.3', '\u0661.\u0662.\u0663', '1\u20242.3',
  '\uff11.2.3', '\ud83d\ude00', '^1.2.3\ud83d\ude00', '\u2265' + '1.2.3', '1.2.3\u20132.0.0', '1.2.3 \u2013 2.0.0', 'e\u0301', '%5E1.2.3',
];

const writtenVersions = [
  '1.2.3', '1.2.4', '1.3.0', '2.0.0', '0.0.0', '0.0.1', '0.1.2', '1.2.3-alpha', '1.2.3-beta.2', '2.0.0-alpha', '0.0.0-alpha.1',
  '9007199254740991.0.0',
];

const oddVersions = [
  '', ' ', '1', '1.2', 'v1.2.3', '=1.2.3', ' 1.2.3', '1.2.3 ', '\t1.2.3\n', 'v1.2', '1.2.3.4', '01.2.3', '1.02.3', '1.2.03',
  '1.2.3-', '1.2.3-01', '1.2.3-0', '1.2.3+', '1.2.3+build', '1.2.3-beta+build.01', '1.2.3-beta.2+b', '1.2.3--', '1.2.3-a-b.c',
  '1.2.3beta', 'x', '*', '1.x', 'latest', '!1', '||', '^1.0.0', '1.2.3 - 2', '-1.2.3', '9007199254740991.1.1',
  '9007199254740992.0.0', '1.9007199254740992.0', '99999999999999999999.0.0', '1.2.3-9007199254740991',
  '1.2.3-9007199254740992', '1.2.3-9007199254740993', '1.2.3-99999999999999999999.1', `1.2.3-${long(250)}`,
  `1.2.3-${long(251)}`, `1.2.3+${long(251)}`, '\u0661.\u0662.\u0663', '\ufeff1.2.3', '1.2.3\u0085', '1.2.3\0', '1.2.3-\u00e9', '\ud83d\ude001.2.3',
];

const rangesForOddVersions = [
  '*', '', '1.2.3', '^1.0.0', '>=1.2.3-0', '1.2', '<2.0.0', 'latest', '!1', 'x', '>1.2.3-9007199254740992',
  '1.2.3-9007199254740992', '^9007199254740991.0.0', '01.2.3', 'v1.2.3', '||',
];

const writtenCoercions = [
  '', '1', '1.2', '1.2.3', '1.2.3.4', '1.2.3.4.5', 'v1.2', 'v1', 'v', '1.', '.1', '.1.2', '1..2', '1.2..3', '..1', '1.2.', '-1.2.3',
  '1.2.3-prerelease-1', '1.2.3+build', '01.2.3', '1.02.3', '1.2.03', '00', '0', '0.0', '007', 'a1b2c3', 'version 4.5 of 6', '1 2 3',
  '1,2,3', '1-2-3', '1_2', 'garbage', 'x.1.2', '1.x.2', '1.2.x', '*', '^1.0.0', '>=1.2 <3', '1.2.3 - 4', '9007199254740991',
  '9007199254740992', '9999999999999999', '1234567890123456', '12345678901234567', '12345678901234567.2.3', '1.12345678901234567.3',
  '1.2.12345678901234567', '1.9999999999999999', '12345678901234567 1.2', '12345678901234567.12345678901234567.3',
  '0123456789012345', '1.2.3\n', '\n1.2.3', '\t', '\u0661.\u0662', '\ud83d\ude001.2', '1.2\ud83d\ude00', '\uff11.2', '1\u20242', '1.2\0.3', '10.20.30', '1e10', '0x10', '1.5e3',
  '9'.repeat(300), `${long(300)}7`, '.'.repeat(300), `${'1'.repeat(17)}.`.repeat(20), 'release/7.8', 'v1.2.3-4.5.6', '2024-01-02', '1.2.3rc1', '=1.2.3', '1.-2.3',
];

// --- generated -----------------------------------------------------------------------------------------------------

const smallNumber = () => (chance(0.97) ? pick([0, 0, 1, 1, 2, 3, 4, 10]) : pick([MAX_NUMBER, MAX_NUMBER - 1, '9007199254740992']));
const identifier = () => pick(['0', '1', '2', '10', 'a', 'b', 'alpha', 'beta', 'rc', 'rc-1', '-', '1a', 'A', 'x']);
const prerelease = () => times(1 + below(3), identifier).join('.');
const build = () => times(1 + below(2), () => pick(['b', '001', 'x-y', '5'])).join('.');

function fullVersion() {
  const numbers = times(3, smallNumber).join('.');
  return numbers + (chance(0.35) ? `-${prerelease()}` : '') + (chance(0.08) ? `+${build()}` : '');
}

function partialVersion() {
  if (chance(0.55)) return fullVersion();
  const part = () => (chance(0.25) ? pick(['x', 'X', '*']) : String(smallNumber()));
  const parts = times(1 + below(3), part);
  const tail = parts.length === 3 && chance(0.1) ? `-${prerelease()}` : '';
  return parts.join('.') + tail;
}

const gap = () => (chance(0.88) ? '' : pick([' ', '  ', '\t']));
const comparator = () =>
  pick(['', '', '^', '^', '~', '~', '~>', '>', '>=', '<', '<=', '=']) + gap() + (chance(0.05) ? pick(['v', '=']) : '') + partialVersion();

function alternative() {
  if (chance(0.12)) return `${partialVersion()} - ${partialVersion()}`;
  if (chance(0.25)) return `>=${fullVersion()} <${partialVersion()}`;
  return times(pick([1, 1, 1, 2, 2, 3]), comparator).join(chance(0.9) ? ' ' : '  ');
}

const generatedRange = () => times(pick([1, 1, 1, 1, 2, 3]), alternative).join(pick(['||', ' || ', ' || ']));

/** A version that is likely to be inside the range or just outside of it. */
function versionNear(range) {
  const found = range.match(/\d+(?:\.\d+){0,2}(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?/g);
  if (found === null || chance(0.1)) return fullVersion();
  const [core, ...tail] = pick(found).split('-');
  const numbers = core.split('.').map(Number);
  while (numbers.length < 3) numbers.push(chance(0.5) ? 0 : below(4));
  if (chance(0.6)) {
    const index = below(3);
    numbers[index] = Math.min(Math.max(0, numbers[index] + pick([-1, 1])), MAX_NUMBER);
    if (chance(0.5)) numbers.fill(0, index + 1);
  }
  let version = numbers.join('.');
  if (tail.length > 0 && chance(0.6)) version += `-${tail.join('-')}`;
  else if (chance(0.3)) version += `-${prerelease()}`;
  if (version.includes('-') && chance(0.3)) version += `.${identifier()}`;
  if (chance(0.05)) version += `+${build()}`;
  return version;
}

const noise = [' ', '  ', '\t', '\n', '\u00a0', '\ufeff', '|', '||', '-', ' - ', '^', '~', '~>', '>', '<', '=', '>=', '<=', '*', 'x', 'X', 'v', 'V',
  '.', '+', '0', '1', '9', '00', 'a', ',', '!', '&', '_', '\u00e9', '\u0661', '\0'];

function mutated(text) {
  const characters = [...text];
  for (let count = 1 + below(3); count > 0; count -= 1) {
    const at = below(characters.length + 1);
    const removed = pick([0, 0, 1, 1, 2]);
    characters.splice(at, removed, ...(chance(0.75) ? [pick(noise)] : []));
  }
  return characters.join('');
}

const noisyRange = () => times(1 + below(8), () => pick([...noise, '1.2.3', '1.2', '2', '1.2.3-a'])).join('');

// --- all of it -----------------------------------------------------------------------------------------------------

for (const range of vectors.ranges) for (const version of vectors.versions) compare('vector', range, version);

for (const range of writtenRanges) {
  const versions = new Set(['1.2.3', '1.2.3-beta.2']);
  // Every range meets the versions that tell its limits from their neighbours, and two others.
  if (semver5.validRange(range) !== null) while (versions.size < 6) versions.add(pick(writtenVersions));
  for (const version of versions) compare('written', range, version);
}
for (const version of oddVersions) {
  for (const range of [...rangesForOddVersions, version]) compare('written', range, version);
}

while (rows.generated.length < 2400) {
  const range = generatedRange();
  for (let count = 1 + below(3); count > 0; count -= 1) compare('generated', range, versionNear(range));
}
while (rows.mutated.length < 1400) {
  const range = chance(0.7) ? mutated(generatedRange()) : noisyRange();
  // A text that is no range is worth one row in three.
  if (semver5.validRange(range) === null && chance(0.66)) continue;
  compare('mutated', range, versionNear(range));
}
for (let count = 0; count < 150; count += 1) compare('mutated', generatedRange(), mutated(fullVersion()));

for (const version of writtenCoercions) coerce(version);
while (rows.coerce.length < 500) {
  coerce(chance(0.6) ? mutated(fullVersion()) : times(1 + below(8), () => pick(['.', '.', '1', '23', '0', '-', 'v', ' ', '1234567', '89012345'])).join(''));
}

const all = Object.values(rows).flat();
for (const [section, list] of Object.entries(rows)) process.stderr.write(`${section} ${list.length}\n`);
process.stderr.write(`total ${all.length}, true ${all.filter((row) => row.strict === true).length} strict, ${all.filter((row) => row.coerced === true).length} coerced\n`);
const target = process.argv[2] || path.join(__dirname, 'corpus.jsonl');
// A lone surrogate cannot be written as UTF-8; JSON.stringify escapes it, and no row may contain one.
assert(all.every((row) => [row.range, row.version].every((text) => text === undefined || text.isWellFormed())));
fs.writeFileSync(target, all.map((row) => `${JSON.stringify(row)}\n`).join(''));
