#!/usr/bin/env bash
# Tests the browser client and the console: types, in Node against a running mesh, and in headless Chromium.
# MESH names the binary; MESH_TESTS_REQUIRE_NODE=1 makes missing tools a failure instead of a message.
set -euo pipefail
cd "$(dirname "$0")"

missing() {
    echo "skipped: $1"
    [ -z "${MESH_TESTS_REQUIRE_NODE:-}" ]
    exit
}

command -v node >/dev/null || missing "node is not installed"
if [ ! -d node_modules/ws ] || [ ! -d node_modules/axe-core ]; then
    npm ci --no-audit --no-fund --silent || missing "the packages of package.json cannot be installed"
fi
npx --no-install tsc --noEmit --strict --target es2022 --module nodenext --lib es2022,dom --types node types.test.ts
node --test native.test.js happner.test.js browser_client.test.js page.test.js console.test.js
