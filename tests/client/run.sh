#!/usr/bin/env bash
# Tests the browser client and the console: types, in Node against a running mesh, and in headless Chromium.
# MESH names the binary; without Chromium, the tests of pages are skipped.
set -euo pipefail
cd "$(dirname "$0")"

if [ ! -d node_modules/ws ] || [ ! -d node_modules/axe-core ]; then
    npm ci --ignore-scripts --no-audit --no-fund --silent
fi
npx --no-install tsc --noEmit --strict --target es2022 --module nodenext --lib es2022,dom --types node types.test.ts
node --test native.test.js happner.test.js browser_client.test.js page.test.js console.test.js nodes.test.js
