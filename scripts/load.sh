#!/usr/bin/env bash
# Measures the release build against stated limits; load-tests/README.md says what and how.
#
#   scripts/load.sh overhead            one kind of load; options follow it
#   scripts/load.sh                     every kind that takes minutes, one after the other
#   scripts/load.sh upgrade REVISION    builds the program of a git revision, and runs it beside this one
#
# Curves and logs stay in target/load (or OUT). Exit status 1 when a limit was missed.
set -euo pipefail
cd "$(dirname "$0")/.."

export RUST_BACKTRACE=0 SQLX_OFFLINE=true
target=${CARGO_TARGET_DIR:-target}
out=${OUT:-$target/load}
kind=${1:-all}
[ "$#" -eq 0 ] || shift

cargo build --release --locked -p api_server -p load_tests --bins
load() { "$target/release/load" "$1" --out "$out/$1" "${@:2}"; }

# The queue alone, on a chain inside of the process; its log lines go where those of a service go.
queue_alone() {
	mkdir -p "$out/overhead"
	cargo bench --locked -p job_orchestrator --bench queue_overhead --no-run
	cargo bench --quiet --locked -p job_orchestrator --bench queue_overhead 2>"$out/overhead/queue.log"
}

# The program of another revision, from a work tree and a target folder of its own.
build_revision() { # revision
	local commit tree="$out/revision"
	commit=$(git rev-parse --verify "$1^{commit}")
	older=$out/pnl-tracker-$commit
	[ ! -x "$older" ] || return 0
	mkdir -p "$out"
	git worktree remove --force "$tree" 2>/dev/null || true
	git worktree add --detach "$tree" "$commit"
	(cd "$tree" && CARGO_TARGET_DIR=target cargo build --release --locked -p api_server)
	cp "$tree/target/release/pnl-tracker" "$older"
	git worktree remove --force "$tree"
}

case $kind in
all)
	missed=()
	queue_alone || missed+=("the queue alone")
	for one in overhead claim-plan big-batch hundred-wallets big-wallet live soak export ratios what-if; do
		load "$one" || missed+=("$one")
	done
	load big-wallet --tokens 0 --no-kill || missed+=("big-wallet --tokens 0")
	if [ "${#missed[@]}" -gt 0 ]; then
		printf 'load: missed in %s\n' "${missed[@]}" >&2
		exit 1
	fi
	;;
upgrade)
	revision=${1:-HEAD^}
	[ "$#" -eq 0 ] || shift
	build_revision "$revision"
	load upgrade --old "$older" "$@"
	;;
overhead)
	queue_alone
	load overhead "$@"
	;;
*) load "$kind" "$@" ;;
esac
