#!/usr/bin/env bash
# The contract suite against every set-up (load-tests/acceptance/setups.py), with a PostgreSQL and a Redis of the run:
#
#   scripts/contract.sh [--requests 3000] [no-redis redis two pooler]
#
# schemathesis is taken from the Python that PYTHON names, or put into a folder of its own below target/load.
set -euo pipefail
cd "$(dirname "$0")/.."

SCHEMATHESIS_VERSION=4.32.5

scripts/setup.sh --tests
target=${CARGO_TARGET_DIR:-target}
SQLX_OFFLINE=true cargo build --locked -p api_server -p load_tests --bins
if [ -z "${PYTHON:-}" ]; then
	folder=$target/load/schemathesis
	if [ ! -x "$folder/bin/schemathesis" ]; then
		python3 -m venv "$folder"
		"$folder/bin/pip" install --quiet "schemathesis==$SCHEMATHESIS_VERSION"
	fi
	PYTHON=$folder/bin/python
fi
PNL_TRACKER=$(realpath "$target/debug/pnl-tracker")
export PNL_TRACKER
# Without one the set-up `pooler` is refused; the others do not need it.
if TEST_PGBOUNCER=${TEST_PGBOUNCER:-$(scripts/pgbouncer.sh)}; then export TEST_PGBOUNCER; fi
scripts/with-services.sh "$PYTHON" load-tests/acceptance/setups.py "$@"
