#!/usr/bin/env bash
# The compiler as cargo's RUSTC_WRAPPER: what is fuzzed is built with coverage counters and traced
# comparisons for libFuzzer, on the stable compiler. Everything else is left as it is: it would only
# slow the runs down, and build scripts cannot be instrumented.
set -euo pipefail
case " $* " in
*" --crate-name build_script_"*) exec "$@" ;;
*" --crate-name tx_parser "* | *" --crate-name chain_client "* | *" --crate-name pnl_core "* | \
	*" --crate-name pnl_fuzz "*)
	exec "$@" -Cpasses=sancov-module \
		-Cllvm-args=-sanitizer-coverage-level=4 \
		-Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
		-Cllvm-args=-sanitizer-coverage-pc-table \
		-Cllvm-args=-sanitizer-coverage-trace-compares
	;;
*) exec "$@" ;;
esac
