#!/bin/sh
# Lints docs/openapi.yaml, makes types of it and compiles what uses them, in the folder $1, which is
# made. 77 (skipped) where there is no node or npm, or npm cannot bring its packages, for want of a network
# say.
set -eu
for command in node npm; do
  command -v $command >/dev/null || { echo "NOT TESTED: no $command on this machine"; exit 77; }
done
source=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cp "$source/package.json" "$source/package-lock.json" "$source/uses.ts" "$1"
cd "$1"
npm ci --no-audit --no-fund --ignore-scripts >npm.log 2>&1 || { tail -5 npm.log; exit 77; }
REDOCLY_TELEMETRY=off node_modules/.bin/redocly lint --extends=recommended "$source/../../docs/openapi.yaml"
node_modules/.bin/openapi-typescript "$source/../../docs/openapi.yaml" -o types.ts
node_modules/.bin/tsc --strict --noEmit --skipLibCheck uses.ts
