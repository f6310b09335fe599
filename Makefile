# make help says what there is. Needed: Rust, a C compiler, make, and root or an installed TimescaleDB.

CARGO ?= cargo
METERBASE := target/release/meterbase
SCHEMATHESIS := 4.32.5

.DEFAULT_GOAL := help
.PHONY: help build demo test dashboard torture check duckdb schemathesis timescaledb browser openapi clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build the binary, target/release/meterbase
	$(CARGO) build --release --locked

demo: $(if $(DATABASE_URL),,timescaledb) build ## Run a server with a simulated fleet; ONCE=1 checks every figure and ends
	$(METERBASE) demo $(if $(ONCE),--once) $(ARGS)

test: timescaledb browser check ## Format, lints, all tests, on each edition of TimescaleDB that the machine has, and in a browser
	$(CARGO) test --locked
	node tests/dashboard/run.js target/debug/meterbase

dashboard: timescaledb browser ## Test the dashboard in a real browser; screenshots are left in target/dashboard; ONLY=figures
	$(CARGO) build --locked
	node tests/dashboard/run.js target/debug/meterbase $(ONLY)

torture: timescaledb ## Kill servers and PostgreSQL under load, fill disks, cut connections, and check all; FOR=10m SEED=7
	METERBASE_TORTURE_FOR=$(or $(FOR),10m) $(if $(SEED),METERBASE_TORTURE_SEED=$(SEED)) $(CARGO) test --locked --test server

check: ## Format and lints only
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings

duckdb: timescaledb build ## Compare a simulated month with DuckDB, figure by figure (needs Python 3); ARGS="--edition apache"
	@test -x target/duckdb/bin/python || python3 -m venv target/duckdb
	@target/duckdb/bin/python -c 'import duckdb' 2>/dev/null || target/duckdb/bin/pip install --quiet duckdb
	target/duckdb/bin/python scripts/compare-with-duckdb.py --meterbase $(METERBASE) $(ARGS)

schemathesis: timescaledb build ## Try every operation with made up requests and each scope (needs Python 3); ARGS="--seconds 600"
	@test -x target/schemathesis/bin/python || python3 -m venv target/schemathesis
	@target/schemathesis/bin/pip install --quiet --disable-pip-version-check schemathesis==$(SCHEMATHESIS)
	target/schemathesis/bin/python scripts/try-with-schemathesis.py --meterbase $(METERBASE) $(ARGS)

browser: ## Install Chromium, Node and npm for the dashboard's tests, if they are not there
	@scripts/install-browser.sh

timescaledb: ## Install PostgreSQL and TimescaleDB, if they are not there
	@scripts/install-timescaledb.sh

openapi: ## Write openapi/openapi.json anew
	@mkdir -p openapi
	$(CARGO) run --quiet --locked -- openapi > openapi/openapi.json.new
	mv openapi/openapi.json.new openapi/openapi.json

clean: ## Remove what was built; data directories stay
	$(CARGO) clean
