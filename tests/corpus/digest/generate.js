'use strict';

// Writes rows.jsonl: digests that the crypto libraries of happn clients made, and what those libraries say of them.
//
// Enters: nothing but the packages pinned in package-lock.json. Leaves: one JSON object per line, described in
// README.md. Keys are random: two runs write different bytes that say the same.

const assert = require('assert');
const fs = require('fs');
const nodeCrypto = require('crypto');
const path = require('path');

const Early = require('happn-util-crypto-0.2');
const Late = require('happn-util-crypto-3.0');

const early = new Early();
const late = new Late();
const rows = [];

/** The order of secp256k1. Each signature has a twin: the second number taken from the order. */
const ORDER = BigInt('0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141');

function verified(library, row) {
  try {
    return library.verify(row.nonce, row.digest, row.publicKey) === true;
  } catch (error) {
    return false;
  }
}

/** Notes what the library says; `here` only where this host is meant to say something else. */
function add(library, name, row, here) {
  const verdict = verified(library, row);
  rows.push({ library: name, ...row, verified: verdict, ...(here === undefined ? {} : { here }) });
  return verdict;
}

const addEarly = (row, here) => add(early, 'happn-util-crypto 0.2.3', row, here);
const addLate = (row, here) => add(late, 'happn-util-crypto 3.0.11', row, here);
const newNonce = () => nodeCrypto.randomBytes(32).toString('base64');

/** The base64 text with one bit changed in the middle. */
function changed(base64) {
  const bytes = Buffer.from(base64, 'base64');
  bytes[bytes.length >> 1] ^= 1;
  return bytes.toString('base64');
}

/** A DER integer of a positive number. */
function integer(number) {
  let hex = number.toString(16);
  if (hex.length % 2) hex = `0${hex}`;
  if (parseInt(hex.slice(0, 2), 16) >= 0x80) hex = `00${hex}`;
  return Buffer.concat([Buffer.from([2, hex.length / 2]), Buffer.from(hex, 'hex')]);
}

/** The twin of an ECDSA signature: what a client that does not choose the smaller one may send. */
function twin(base64) {
  const bytes = Buffer.from(base64, 'base64');
  const first = bytes.subarray(4, 4 + bytes[3]);
  const second = bytes.subarray(6 + bytes[3]);
  const numbers = [BigInt(`0x${first.toString('hex')}`), ORDER - BigInt(`0x${second.toString('hex')}`)];
  const content = Buffer.concat(numbers.map(integer));
  return Buffer.concat([Buffer.from([0x30, content.length]), content]).toString('base64');
}

// --- secp256k1: happn 1.x to 3.x -------------------------------------------------------------------------------------

for (let key = 0; key < 12; key++) {
  const { publicKey, privateKey } = early.createKeyPair();
  const nonce = newNonce();
  const digest = early.sign(nonce, privateKey);
  assert(addEarly({ note: 'signed', publicKey, nonce, digest }));
  assert(!addEarly({ note: 'signed, another nonce', publicKey, nonce: newNonce(), digest }));
  assert(!addEarly({ note: 'one bit changed', publicKey, nonce, digest: changed(digest) }));
  assert(addEarly({ note: 'the larger twin', publicKey, nonce, digest: twin(digest) }));
}
{
  const { publicKey, privateKey } = early.createKeyPair();
  const nonce = newNonce();
  const digest = early.sign(nonce, privateKey);
  const ecdh = nodeCrypto.ECDH.convertKey(publicKey, 'secp256k1', 'base64', 'base64', 'uncompressed');
  addEarly({ note: 'uncompressed point', publicKey: ecdh, nonce, digest }, false);
  assert(!addEarly({ note: 'no digest', publicKey, nonce, digest: '' }));
  assert(!addEarly({ note: 'no key', publicKey: '', nonce, digest }));
  assert(!addEarly({ note: 'zeros', publicKey, nonce, digest: 'MAYCAQACAQA=' }));
}

// --- RSA: later ----------------------------------------------------------------------------------------------------

function rsa(modulusLength) {
  return new Late({ keypair_length: modulusLength }).createKeyPair();
}

for (let key = 0; key < 12; key++) {
  const { publicKey, privateKey } = late.createKeyPair();
  const nonce = newNonce();
  const digest = late.sign(nonce, privateKey);
  assert(addLate({ note: 'signed', publicKey, nonce, digest }));
  assert(!addLate({ note: 'signed, another nonce', publicKey, nonce: newNonce(), digest }));
  assert(!addLate({ note: 'one bit changed', publicKey, nonce, digest: changed(digest) }));
}
for (const [bits, here] of [[512, false], [768, false], [1024], [1536], [3072], [4096], [8192], [8200, false]]) {
  const { publicKey, privateKey } = rsa(bits);
  const nonce = newNonce();
  assert(addLate({ note: `${bits} bits`, publicKey, nonce, digest: late.sign(nonce, privateKey) }, here));
}
{
  const { publicKey, privateKey } = late.createKeyPair();
  const nonce = newNonce();
  const digest = late.sign(nonce, privateKey);
  const named = nodeCrypto.createPublicKey(publicKey).export({ format: 'pem', type: 'spki' });
  assert(addLate({ note: 'a key that names its algorithm', publicKey: named, nonce, digest }));
  assert(addLate({ note: 'lines end with CR LF', publicKey: publicKey.replace(/\n/g, '\r\n'), nonce, digest }));
  assert(addLate({ note: 'no line end behind the key', publicKey: publicKey.trim(), nonce, digest }));
  const sha512 = nodeCrypto.sign('sha512', Buffer.from(nonce, 'base64'), privateKey).toString('base64');
  assert(!addLate({ note: 'another hash', publicKey, nonce, digest: sha512 }));
  const pss = { key: privateKey, padding: nodeCrypto.constants.RSA_PKCS1_PSS_PADDING };
  const padded = nodeCrypto.sign('sha256', Buffer.from(nonce, 'base64'), pss).toString('base64');
  assert(!addLate({ note: 'another padding', publicKey, nonce, digest: padded }));
  const curve = nodeCrypto.generateKeyPairSync('ec', {
    namedCurve: 'secp256k1',
    publicKeyEncoding: { format: 'pem', type: 'spki' },
    privateKeyEncoding: { format: 'pem', type: 'pkcs8' },
  });
  const signed = nodeCrypto.sign('sha256', Buffer.from(nonce, 'base64'), curve.privateKey).toString('base64');
  addLate({ note: 'a key of another algorithm', publicKey: curve.publicKey, nonce, digest: signed }, false);
}

fs.writeFileSync(path.join(__dirname, 'rows.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
console.log(`${rows.length} rows`);
