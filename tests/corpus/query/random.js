'use strict';

// Choices from a seed: the same ones in every run.

/** The numbers of mulberry32, in [0, 1), and what can be chosen with them. */
module.exports = function seeded(seed) {
  let state = seed;
  const random = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  const below = (limit) => Math.floor(random() * limit);
  return {
    below,
    chance: (probability) => random() < probability,
    pick: (list) => list[below(list.length)],
    times: (count, make) => Array.from({ length: count }, (_, index) => make(index)),
  };
};
