#!/usr/bin/env bash
# The fault programme (docs/reliability.md): builds the service and runs it under every fault.
#
#   scripts/chaos.sh [--debug] [OPTION…]     the options are those of the program `chaos`
#
# --debug takes the debug build. Recordings: TEST_FIXTURES_DIR, else ../shared/fixtures when it is
# there; without them wallets are made up.
set -euo pipefail
cd "$(dirname "$0")/.."

profile=release build=(--release)
if [ "${1:-}" = --debug ]; then
	profile=debug build=()
	shift
fi
scripts/setup.sh --tests
if [ -z "${TEST_FIXTURES_DIR:-}" ] && [ -d ../shared/fixtures ]; then
	TEST_FIXTURES_DIR=$(cd ../shared/fixtures && pwd)
	export TEST_FIXTURES_DIR
fi
SQLX_OFFLINE=true cargo build "${build[@]}" --locked --workspace --bins
exec "${CARGO_TARGET_DIR:-target}/$profile/chaos" "$@"
