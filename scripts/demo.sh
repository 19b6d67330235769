#!/usr/bin/env bash
# The service on a small recorded chain, from nothing to a table of profit and loss: installs what is
# missing, builds, starts a chain endpoint and `pnl-tracker serve` without a configuration file (own
# PostgreSQL, no Redis), submits four wallets over HTTP and prints what comes back. Then it stops
# everything and removes its files; with KEEP=1 it waits for Ctrl-C first.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
echo "demo: building, a few minutes the first time"
SQLX_OFFLINE=true cargo build --release --locked -p api_server -p load_tests --bins
programs=${CARGO_TARGET_DIR:-target}/release
programs=$(cd "$programs" && pwd)
chain=$PWD/load-tests/demo-chain

# Below /tmp, where the user of PostgreSQL may go, also when we are root.
folder=$(mktemp -d /tmp/pnl-demo.XXXXXX)
chmod 755 "$folder"
node_pid='' service_pid=''

stop() { # pid
	[ -n "$1" ] || return 0
	kill -s TERM "$1" 2>/dev/null || true
	wait "$1" 2>/dev/null || true
}
cleanup() {
	trap '' INT TERM
	stop "$service_pid"
	stop "$node_pid"
	rm -rf "$folder"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Waits up to two minutes for a line of a program's output, and prints it.
await_line() { # pid, file, pattern, log
	local tries line
	for ((tries = 0; tries < 1200; tries++)); do
		line=$(grep -m 1 -E "$3" "$2" 2>/dev/null || true)
		if [ -n "$line" ]; then
			echo "$line"
			return
		fi
		if ! kill -0 "$1" 2>/dev/null; then break; fi
		sleep 0.1
	done
	echo "demo: no line /$3/ came; the log says:" >&2
	tail -n 20 "$4" >&2
	return 1
}

# Sessions of their own: Ctrl-C comes here, and here it is decided what stops when.
setsid "$programs/recorded-node" --folder "$chain" --prices "$chain/prices" \
	>"$folder/node.out" 2>"$folder/node.log" &
node_pid=$!
node=$(await_line "$node_pid" "$folder/node.out" '^http://' "$folder/node.log")
echo "demo: a chain endpoint with recorded transactions on $node"

# Only where to ask and which ports: everything else is the default.
for variable in ${!PNL_@} DATABASE_URL REDIS_URL; do unset "$variable"; done
export PNL_API__PORT=0 PNL_ADMIN__PORT=0 PNL_DATABASE__DATA_DIR="$folder/data"
export PNL_CHAINS__SOLANA__PROVIDERS="[{name = \"recorded\", kind = \"solana-rpc\", url = \"$node/solana\", requests_per_second = 1000}]"
export PNL_PRICES__SOURCES="[{kind = \"llama\", url = \"$node/llama\", requests_per_second = 1000}]"
(cd "$folder" && exec setsid "$programs/pnl-tracker" serve) \
	>"$folder/service.out" 2>"$folder/service.log" &
service_pid=$!
api=$(await_line "$service_pid" "$folder/service.out" '^listening on ' "$folder/service.log")
admin=$(await_line "$service_pid" "$folder/service.out" '^admin listening on ' "$folder/service.log")
api=${api#listening on } admin=${admin#admin listening on }
echo "demo: pnl-tracker serves on $api, its metrics on $admin"

if ! "$programs/demo" --server "$api" --admin "$admin" --wallets "$chain/wallets.txt"; then
	echo "demo: it did not work; the log of the service ends with:" >&2
	tail -n 30 "$folder/service.log" >&2
	exit 1
fi
if [ -n "${KEEP:-}" ]; then
	trap 'exit 0' INT TERM
	echo "demo: running until Ctrl-C; the log is $folder/service.log"
	wait "$service_pid"
else
	echo "demo: stopping; \`make demo KEEP=1\` keeps it running, so that the addresses above answer"
fi
