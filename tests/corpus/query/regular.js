'use strict';

// Writes regular.jsonl: what JavaScript's regular expressions find, since `$regex` means those.
//
// Enters: choices from a seed. Leaves: JSON lines, described in README.md. Look-around and back-references are
// left out; this host refuses them.

const fs = require('fs');
const path = require('path');
const { below, chance, pick, times } = require('./random')(0x7e9e);

const characters = ['a', 'b', 'c', 'A', 'B', 'z', '0', '1', '9', '_', '-', '.', ' ', '\t', '\n', '\r', '\u2028', '\u00a0', '\u00e9', '\u00c9', '\u017f', '\u212a', '\u0661', '\u20ac', '/', '{', '}', '[', ']', '&', '~', '^', '$', '|', '#', '"', "'"];
const escapes = ['\\d', '\\D', '\\w', '\\W', '\\s', '\\S', '\\t', '\\n', '\\r', '\\v', '\\f', '\\0', '\\x41', '\\x4', '\\u0062', '\\u00e9', '\\u12', '\\cI', '\\.', '\\/', '\\-', '\\[', '\\]', '\\{', '\\}', '\\^', '\\$', '\\&', '\\~', '\\#', '\\a', '\\e', '\\"'];
const classMember = () => pick([() => pick(characters.filter((text) => text !== ']')), () => pick(characters.filter((text) => text !== ']')), () => pick(escapes), () => 'a-c', () => 'A-Z', () => '0-9', () => '\\x41-\\x43', () => '-', () => '^', () => '\\b', () => '&&', () => '--', () => '[', () => 'a-\\d'])();
const characterClass = () => `[${chance(0.3) ? '^' : ''}${times(below(4), classMember).join('')}]`;
const atom = (depth) =>
  pick([
    () => pick(['a', 'b', 'c', 'A', '1', '_', '-', ' ', '\u00e9']), () => pick(['a', 'b', 'c']), () => pick(characters), () => '.', () => pick(escapes), () => pick(escapes), characterClass, characterClass,
    () => (depth > 0 ? `(${pick(['', '?:', '?<name>'])}${expression(depth - 1)})` : 'a'), () => pick(['\\b', '\\B', '^', '$']), () => '\\{2}', () => 'x{', () => 'b{a}', () => 'c{,2}', () => ']',
  ])();
const quantifier = () => (chance(0.35) ? pick(['*', '+', '?', '*?', '+?', '??', '{2}', '{1,}', '{0,2}', '{1,2}?', '{0}', '{2,1}']) : '');
const sequence = (depth) => times(1 + below(4), () => atom(depth) + quantifier()).join('');
const expression = (depth) => times(chance(0.75) ? 1 : 2, () => sequence(depth)).join('|');

const rows = [];
const seen = new Set();
while (rows.length < 900) {
  const pattern = chance(0.3) ? `^${sequence(2)}$` : expression(2);
  const flags = pick(['', '', '', '', 'i', 'i', 'm', 's', 'u', 'iu', 'ims', 'y']);
  if (seen.has(pattern + flags)) continue;
  seen.add(pattern + flags);
  const texts = times(6, () => times(below(6), () => pick(chance(0.6) ? ['a', 'b', 'c', 'A', '1'] : characters)).join(''));
  const row = { pattern, flags };
  try {
    const made = new RegExp(pattern, flags);
    row.found = Object.fromEntries(texts.map((text) => [text, ((made.lastIndex = 0), made.test(text))]));
  } catch {
    if (chance(0.7)) continue;
    row.error = true;
  }
  rows.push(row);
}
fs.writeFileSync(path.join(process.argv[2] || __dirname, 'regular.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
