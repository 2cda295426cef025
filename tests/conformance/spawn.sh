#!/usr/bin/env bash
# Starts a host of its own for the cases of the area `lifecycle`: --spawn-cmd "tests/conformance/spawn.sh".
# MESH names the binary. The process is replaced, so that signals reach the host itself.
set -euo pipefail
folder=$(cd "$(dirname "$0")" && pwd)
settings=(--set "happn.port=$CK_PORT" --set "name=\"$CK_MESH\"")
if [ -n "${CK_DB:-}" ]; then
    settings+=(--set "store.path=\"$CK_DB\"")
fi
if [ -n "${MESH:-}" ]; then
    # The components beside that binary, whatever profile it was built with.
    settings+=(--set "plugins.dir=\"$(dirname "$MESH")\"")
fi
exec "${MESH:-$folder/../../target/release/mesh}" run --config "$folder/mesh.toml" "${settings[@]}" \
    > >(sed -u 's/^ready/READY/')
