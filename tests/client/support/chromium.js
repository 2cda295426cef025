//! A headless browser for the tests of pages.
//!
//! Enters: nothing but the environment (`CHROMIUM`). Leaves: how to start it, or why it is skipped. Guaranteed: no
//! traffic but that of the pages.
'use strict';
const fs = require('node:fs');

const CHROMIUM = process.env.CHROMIUM || '/usr/bin/chromium';
const skip = fs.existsSync(CHROMIUM) ? false : `there is no ${CHROMIUM}`;
const QUIET = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];

/** With a folder of its own for what a browser keeps. */
const launch = () => require('playwright-core').chromium.launch({ executablePath: CHROMIUM, args: QUIET });

module.exports = { launch, skip };
