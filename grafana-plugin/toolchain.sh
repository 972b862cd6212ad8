#!/usr/bin/env bash
# Runs a command with Node 20 or later and npm, and gets them where they are not:
# from Debian's packages, and where those are older, Node from npm itself.
#
#	./toolchain.sh npm ci
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tools=$here/../.tools/node

recent() { command -v node >/dev/null && [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ]; }

fail() {
	printf 'toolchain: %s\n' "$1" >&2
	exit 1
}

arch=x64
[ "$(uname -m)" = aarch64 ] && arch=arm64
# Node from an earlier run, if there is any.
[ -d "$tools" ] && PATH=$(echo "$tools"/node_modules/node-linux-*/bin):$PATH

if ! command -v npm >/dev/null; then
	command -v apt-get >/dev/null || fail "no npm: install Node 20 or later with npm"
	{ apt-get update -q && apt-get install -qy --no-install-recommends nodejs npm; } >&2 ||
		fail "cannot install nodejs and npm: is the network there?"
fi
if ! recent; then
	npm install --silent --no-save --no-audit --no-fund --prefix "$tools" "node-linux-$arch@22" >&2 ||
		fail "Node is older than 20, and a newer one cannot be installed from npm"
	PATH=$(echo "$tools"/node_modules/node-linux-*/bin):$PATH
	recent || fail "Node is older than 20: install a newer one"
fi
export PATH
exec "$@"
