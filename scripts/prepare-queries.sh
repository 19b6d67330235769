#!/usr/bin/env bash
# Renews .sqlx, the description of every checked SQL statement, or compares with --check.
#
# Needs DATABASE_URL: a PostgreSQL server on which databases may be created. A throw-away database
# is made there from migrations/, persistence_layer is built against it, and it is dropped again.
# Neither psql nor sqlx-cli is needed.
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-}" in
"" | --check) mode=${1:-} ;;
*)
	echo "usage: $0 [--check]" >&2
	exit 2
	;;
esac
: "${DATABASE_URL:?must name a PostgreSQL server on which databases may be created}"

scratch=$(mktemp -d)
database="pnl_prepare_$$"

# Without the checked statements the crate builds whatever .sqlx holds.
manage() {
	cargo run --quiet --locked -p persistence_layer --no-default-features \
		--example migrate_database -- "$@"
}

cleanup() {
	manage drop "$database" >/dev/null 2>&1 || echo "could not drop database $database" >&2
	rm -rf "$scratch"
}
trap cleanup EXIT

prepared_url=$(manage create "$database")

# A changed time stamp is what makes cargo run the macros again.
touch persistence_layer/src/lib.rs
mkdir "$scratch/sqlx"
DATABASE_URL=$prepared_url SQLX_OFFLINE=false SQLX_OFFLINE_DIR="$scratch/sqlx" \
	cargo check --quiet --locked -p persistence_layer --lib
# The next build shall use the committed descriptions again.
touch persistence_layer/src/lib.rs

if [ -z "$(ls -A "$scratch/sqlx")" ]; then
	echo "no statement was described: was the crate not rebuilt?" >&2
	exit 1
fi
if [ "$mode" = --check ]; then
	if ! diff -r .sqlx "$scratch/sqlx"; then
		echo ".sqlx is out of date: run scripts/prepare-queries.sh and commit it" >&2
		exit 1
	fi
	echo ".sqlx describes all $(ls .sqlx | wc -l) statements"
else
	rm -rf .sqlx
	mkdir .sqlx
	cp "$scratch"/sqlx/* .sqlx/
	echo "wrote $(ls .sqlx | wc -l) descriptions to .sqlx"
fi
