#!/usr/bin/env bash
# Fuzzes the parsers and the readers of providers' answers: `scripts/fuzz.sh [TARGET [SECONDS]]`.
# Without a target all of them, one after the other, SECONDS (60) each. Inputs that bring something
# new are kept in target/fuzz/work; what makes a target fail lies in target/fuzz/failures, and
# `target/fuzz/release/TARGET FILE` repeats it.
set -euo pipefail
cd "$(dirname "$0")/.."

targets=(solana_transaction evm_transaction solana_rpc evm_rpc explorer prices)
seconds=${2:-60}
if [ -n "${1:-}" ]; then targets=("$1"); fi

root=$(pwd)
out=${CARGO_TARGET_DIR:-$root/target}/fuzz
echo "building"
(
	cd fuzz
	CARGO_TARGET_DIR=$out RUSTC_WRAPPER=$root/fuzz/rustc.sh cargo build --quiet --release --locked
)

# Recordings make better beginnings than what was made by hand; neither is changed.
recorded=${TEST_FIXTURES_DIR:-none}
if [ -d "$recorded" ]; then
	"$out/release/corpus" "$recorded" "$out/recorded"
else
	echo "no recordings in TEST_FIXTURES_DIR: only seeds made by hand"
fi
beginnings() { # target
	local folder
	for folder in "fuzz/seeds/$1" "$out/recorded/$1" $(
		case $1 in
		solana_transaction) echo load-tests/demo-chain/transactions "$recorded"/solana/{,devnet_seed7/}transactions ;;
		evm_transaction) echo "$recorded"/evm/{ethereum,base,binance-smart-chain,devnet_seed7}/transactions ;;
		esac
	); do
		if [ -d "$folder" ]; then echo "$folder"; fi
	done
}

for target in "${targets[@]}"; do
	mkdir -p "$out/work/$target" "$out/failures/$target"
	mapfile -t from < <(beginnings "$target")
	log=$out/$target.log
	# Memory: an input has 16 kB at most, so these bounds are far beyond what reading it takes.
	if ! "$out/release/$target" "$out/work/$target" "${from[@]}" -max_total_time="$seconds" \
		-max_len=16000 -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=256 -reload=0 \
		-artifact_prefix="$out/failures/$target/" -print_final_stats=1 >"$log" 2>&1; then
		tail -n 40 "$log" >&2
		echo "$target FAILED; the input lies in $out/failures/$target" >&2
		exit 1
	fi
	count=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	memory=$(sed -n 's/^stat::peak_rss_mb: *//p' "$log")
	echo "$target: $count executions in $seconds s, at most $memory MB, nothing found"
done
