#!/usr/bin/env bash
# Checks of the tree that no compiler makes: length of files, syntax of scripts, what the pure
# crates may depend on.
set -euo pipefail
cd "$(dirname "$0")/.."

longest=600
failed=0
complain() {
	echo "check-tree: $1" >&2
	failed=1
}

files() { git ls-files --cached --others --exclude-standard -- "$@"; }

while read -r file; do
	lines=$(wc -l <"$file")
	if [ "$lines" -gt "$longest" ]; then complain "$file has $lines lines, more than $longest"; fi
done < <(files '*.rs')

while read -r file; do
	bash -n "$file" || complain "$file is no valid script"
	[ -x "$file" ] || complain "$file is not executable"
done < <(files 'scripts/*.sh' '.ci/run' 'deploy/*.sh' 'fuzz/*.sh')

# deny.toml says who may use a crate; what a pure crate must not reach at all stands here.
reaches() { # crate, forbidden names
	local crate=$1 names tree
	shift
	names=$(printf '|%s' "$@")
	tree=$(cargo tree --locked --offline -p "$crate" -e normal --prefix none -f '{p}' 2>/dev/null ||
		cargo tree --locked -p "$crate" -e normal --prefix none -f '{p}')
	cut -d ' ' -f 1 <<<"$tree" | sort -u | grep -Ex "${names:1}" || true
}
impure=(tokio sqlx redis reqwest hyper axum chrono rand tracing figment)
for crate in pnl_core tx_parser; do
	found=$(reaches "$crate" "${impure[@]}" | tr '\n' ' ')
	if [ -n "$found" ]; then complain "$crate is pure but reaches $found"; fi
done
found=$(reaches service_runtime pnl_core tx_parser chain_client persistence_layer job_orchestrator)
if [ -n "$found" ]; then complain "service_runtime knows none of ours but reaches $found"; fi
# deny.toml cannot tell a test from the product.
only_tests() { # crate, dependency
	local direct
	direct=$(cargo tree --locked -p "$1" -e normal --depth 1 --prefix none -f '{p}' | cut -d ' ' -f 1)
	if grep -qx "$2" <<<"$direct"; then complain "$1 may use $2 in tests only"; fi
}
only_tests api_server reqwest
for crate in persistence_layer job_orchestrator api_server; do only_tests "$crate" tracing-subscriber; done

exit "$failed"
