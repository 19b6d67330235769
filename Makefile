# One word for each thing that is done often. `make demo` and `make test` need nothing but a Rust
# toolchain, git and make on a Debian or Ubuntu: they install what else is missing.

.PHONY: help demo test contract chaos load load-test soak bench-parser bench-engine fuzz upgrade-test ci fmt lint build release run docs sqlx-prepare

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 15

demo: ## build, run the service on a small recorded chain, print a table of P&L (KEEP=1 keeps it running)
	scripts/demo.sh

test: ## all tests, on a PostgreSQL and a Redis that are started for them
	scripts/setup.sh --tests
	scripts/with-services.sh scripts/run-tests.sh

contract: ## one contract suite against every set-up: REQUESTS=3000 each, SETUPS="no-redis redis two pooler"
	scripts/contract.sh --requests $(or $(REQUESTS),3000) $(SETUPS)

chaos: ## disturb batches in every way, compare the results: SEED=1, ROUNDS=1 or SECONDS=600, KIND=kill,fleet
	scripts/chaos.sh $(if $(SEED),--seed $(SEED)) $(if $(ROUNDS),--rounds $(ROUNDS)) \
		$(if $(SECONDS),--seconds $(SECONDS)) $(if $(KIND),--kind $(KIND))

load: ## measure against stated limits: KIND=overhead|claim-plan|big-batch|hundred-wallets|big-wallet|live|export|ratios|what-if, all without; ARGS="…"
	scripts/load.sh $(KIND) $(ARGS)

soak: ## steady submissions for MINUTES=30: connections, refusals, success, growth of memory
	scripts/load.sh soak --minutes $(or $(MINUTES),30) $(ARGS)

load-test: ## many users by k6, thresholds at the end: PROFILE=tier-500 (load-tests/k6/profiles.js), SCALE=1, TIME=1
	scripts/load-test.sh --scale $(or $(SCALE),1) --time $(or $(TIME),1) $(PROFILE)

bench-parser: ## speed of the parsers on recordings of TEST_FIXTURES_DIR or RECORDED=DIR, beside serde_json alone
	cargo bench --quiet --locked -p tx_parser --bench throughput -- $(RECORDED)

bench-engine: ## speed of the engine against stated limits; with TOOLS=DIR (accounting_gen.py) and PYTHON that has rp2, beside rp2 too
	cargo bench --quiet --locked -p pnl_core --bench engine
	$(if $(TOOLS),cargo build --quiet --release --locked -p pnl_core --example engine_speed)
	$(if $(TOOLS),$(or $(PYTHON),python3) scripts/compare-with-rp2.py $(TOOLS) --engine target/release/examples/engine_speed)

fuzz: ## parsers and readers of answers on mutated recordings: TARGET=solana_transaction, all without; SECONDS=600 each
	scripts/fuzz.sh "$(TARGET)" $(or $(SECONDS),600)

upgrade-test: ## the program of FROM=HEAD^ and this one on one database during a batch, upgrade and rollback
	scripts/load.sh upgrade $(or $(FROM),HEAD^) $(ARGS)

ci: ## everything that must hold before a change is taken
	.ci/run

fmt: ## format the code
	cargo fmt --all
	cargo fmt --manifest-path fuzz/Cargo.toml

lint: ## format check, clippy with warnings as errors, checks of the tree
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	SQLX_OFFLINE=true cargo clippy --workspace --all-targets --locked -- -D warnings
	scripts/check-tree.sh

build: ## debug build
	SQLX_OFFLINE=true cargo build --workspace --locked

release: ## release build: target/release/pnl-tracker
	SQLX_OFFLINE=true cargo build --release --locked -p api_server

run: ## run the service with config.toml
	SQLX_OFFLINE=true cargo run --release --locked -p api_server --bin pnl-tracker -- serve

docs: ## documentation of the code: target/doc
	SQLX_OFFLINE=true cargo doc --workspace --no-deps --document-private-items --locked

sqlx-prepare: ## renew .sqlx after a change of queries or migrations
	scripts/with-services.sh bash -c 'DATABASE_URL=$$TEST_DATABASE_URL scripts/prepare-queries.sh'
