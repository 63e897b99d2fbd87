# What one types while working on Holdfast. `make help` lists it.
#
# Everything is built in the release profile: RocksDB is compiled once, and what is tested is what is shipped.

XDG_CACHE_HOME ?= $(HOME)/.cache
CARGO_TARGET_DIR ?= $(XDG_CACHE_HOME)/holdfast/target
export CARGO_TARGET_DIR

CARGO ?= cargo
BIN := $(CARGO_TARGET_DIR)/release/holdfast
DEMO := $(CARGO_TARGET_DIR)/release/demo
SUITE := $(CARGO_TARGET_DIR)/release/suite

.PHONY: help dashboard build test test-only demo demo-stop demo-status fmt lint bench seeds soak deny packages doc

help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

packages:
	@deploy/setup.sh build

dashboard: packages ## Build the web dashboard, which the binary embeds
	@deploy/dashboard.sh

build: dashboard ## Build the `holdfast` binary
	$(CARGO) build --release --workspace --bins
	@echo "built $(BIN)"

test: ## Install what is missing, build, run every test
	@deploy/setup.sh build test
	@deploy/dashboard.sh check
	$(CARGO) build --release --workspace
	@$(MAKE) --no-print-directory test-only

test-only: ## Run the tests as built, or only TESTS="name name"
	@$(SUITE) $(TESTS)

seeds: packages ## Run 20,000 seeds of the simulated cluster (an hour); SEEDS=n for another number
	HOLDFAST_SIM_SEEDS=$(or $(SEEDS),20000) $(CARGO) test --release --workspace --test simulation -- --nocapture

soak: dashboard ## Every fault and 12 random pairs on a real cluster under load (an hour); FAULTS=a,b+c PAIRS=n SEED=n
	@deploy/setup.sh test
	$(CARGO) build --release --workspace --bins
	HOLDFAST_FAULTS=$(FAULTS) HOLDFAST_PAIRS=$(or $(PAIRS),$(if $(FAULTS),0,12)) $(if $(SEED),HOLDFAST_SEED=$(SEED)) \
		$(CARGO) test --release --workspace --test campaign -- --ignored --nocapture --test-threads 1

demo: ## Start a real cluster of three nodes here, load a real tree, compare every byte
	@deploy/demo/run.sh

demo-stop: ## Stop the demo cluster and remove its data
	@deploy/demo/stop.sh

demo-status: ## What the demo cluster is doing
	@$(DEMO) status

fmt: ## Format the sources
	$(CARGO) fmt --all

lint: dashboard ## Formatting and clippy, as CI runs them
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --workspace --all-targets -- -D warnings

bench: packages ## Measure a fresh single-node store with `holdfast bench`
	$(CARGO) build --release --workspace --bins
	@deploy/demo/bench.sh

deny: ## Check licences, advisories and sources of dependencies (needs cargo-deny)
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
		set -x; $(CARGO) deny check; \
	else \
		echo "cargo-deny is not installed: cargo install --locked cargo-deny"; \
	fi

doc: ## Build the documentation of all crates
	$(CARGO) doc --release --workspace --no-deps
