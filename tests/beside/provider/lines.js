'use strict';
// JSON documents over a socket, one in a line.
const readline = require('readline');

exports.read = (socket, then) => readline.createInterface({ input: socket }).on('line', (line) => then(JSON.parse(line)));
exports.write = (socket, document) => socket.write(JSON.stringify(document) + '\n');
