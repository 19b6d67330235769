#!/usr/bin/env bash
# Runs every test of the workspace. Needs TEST_DATABASE_URL and TEST_REDIS_URL; run it as
# `scripts/with-services.sh scripts/run-tests.sh`, or as `make test`.
set -euo pipefail
cd "$(dirname "$0")/.."

: "${TEST_DATABASE_URL:?run this through scripts/with-services.sh}"
: "${TEST_REDIS_URL:?run this through scripts/with-services.sh}"

# Recorded chain data lies beside the checkout, not in it. Without it the tests that need it say so.
if [ -z "${TEST_FIXTURES_DIR:-}" ] && [ -d ../shared/fixtures ]; then
	TEST_FIXTURES_DIR=$(cd ../shared/fixtures && pwd)
	export TEST_FIXTURES_DIR
fi
if [ -n "${TEST_FIXTURES_DIR:-}" ]; then
	echo "recorded data: $TEST_FIXTURES_DIR"
else
	echo "recorded data: none (TEST_FIXTURES_DIR is not set), tests on it are SKIPPED"
fi

# A PgBouncer that may stand before the service. Without one, as where no mirror can be reached, all else is
# tested still; the last lines say so.
if [ -z "${TEST_PGBOUNCER:-}" ] && ! TEST_PGBOUNCER=$(scripts/pgbouncer.sh); then TEST_PGBOUNCER=none; fi
export TEST_PGBOUNCER
if [ "$TEST_PGBOUNCER" = none ]; then
	without='!!! NOT TESTED: transaction mode of PgBouncer 1.21 or newer (scripts/pgbouncer.sh found and built none)'
	echo "$without" >&2
	trap 'echo "$without" >&2' EXIT
else
	echo "PgBouncer: $TEST_PGBOUNCER"
fi

# Queries are checked against .sqlx, never against a database that happens to be configured.
export SQLX_OFFLINE=true
if cargo nextest --version >/dev/null 2>&1; then
	cargo nextest run --workspace --locked --no-fail-fast
	cargo test --workspace --locked --doc --quiet
else
	cargo test --workspace --locked --no-fail-fast
fi
