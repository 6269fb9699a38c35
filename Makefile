# The commands of this repository. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Cargo uses all cores by itself; two of them at once would only wait for each other.
.NOTPARALLEL:

export PATH := $(CURDIR)/.tools/bin:$(PATH):$(HOME)/.cargo/bin

# The same words for each command, so that one build serves all of them.
everything := --workspace --all-features --locked

# More words for the program, as in: make run ARGS='--listen 127.0.0.1:9000'
ARGS ?=

page := $(wildcard web/package.json)
npm := $(shell node -e 'if (parseInt(process.versions.node) >= 20) console.log("npm")' 2>/dev/null)
without_node := Node 20 or newer was not found (https://nodejs.org)

.PHONY: run
run: toolchain web ## Build everything and serve on http://127.0.0.1:8000; ARGS='…' goes to `nexus serve`
	@echo 'run: building target/local/nexus; the first time it takes some minutes'
	cargo build --profile local --locked --package nexus
	@exec ./target/local/nexus serve $(ARGS)

.PHONY: test
test: tools fmt-check check web lint doc deny test-rust test-fuzz test-page test-model ## Run every check and test there is
	@echo 'test: everything passed'

.PHONY: build
build: toolchain web ## Build the program to distribute: target/release/nexus, with its symbols apart
	@echo 'build: building target/release/nexus, optimised as a whole; this takes twice as long as `make run`'
	cargo build --release --locked --package nexus
	@scripts/split-symbols target/release/nexus

.PHONY: fmt
fmt: toolchain ## Format the Rust code
	cargo fmt --all

.PHONY: fmt-check
fmt-check: toolchain
	cargo fmt --all --check

.PHONY: check
check: toolchain ## Check the rules of the house: file sizes, crate directions, paths in documents
	cargo xtask check

.PHONY: lint
lint: toolchain ## Run clippy; a warning is an error
	cargo clippy $(everything) --all-targets -- -D warnings

.PHONY: doc
doc: export RUSTDOCFLAGS = -D warnings
doc: toolchain ## Build the documentation of the code; a warning is an error
	cargo doc $(everything) --no-deps --document-private-items

.PHONY: deny
deny: toolchain ## Check licences, sources and known faults of the dependencies
	@scripts/install-test-tools cargo-tools
	cargo deny --locked check licenses bans sources
	@if cargo deny --locked fetch db >/dev/null 2>&1; then \
		echo 'cargo deny --locked check advisories'; \
		cargo deny --locked check --disable-fetch advisories; \
	else \
		echo 'deny: the advisory database is out of reach: known faults were NOT checked'; \
	fi

.PHONY: test-rust
test-rust: toolchain ## Run the Rust tests, but for those that need the model
	@scripts/install-test-tools cargo-tools mongo mcp openai-clients
	cargo nextest run $(everything)
	cargo test $(everything) --doc

.PHONY: bench-micro
bench-micro: toolchain ## Measure resolving, parsing and storing on their own; ARGS='…' goes to divan
	cargo bench --locked --package nexus-core --package nexus-llm --package nexus-store \
		--bench resolve --bench stream --bench store $(if $(ARGS),-- $(ARGS))

.PHONY: proof
proof: abuse contract ## Run what takes longer and proves more than `make test`

# `make test` runs the same tests with smaller numbers.
.PHONY: abuse
abuse: toolchain ## Attack a server with what strangers and members may send; ARGS='…' goes to nextest
	@scripts/install-test-tools cargo-tools
	NEXUS_ABUSE=full cargo nextest run $(everything) --no-fail-fast \
		-E 'package(nexus) & test(/^regressions::(abuse|budgets|operation)::/)' $(ARGS)

.PHONY: contract
contract: toolchain ## Try the server against its OpenAPI document, with schemathesis
	@scripts/install-test-tools cargo-tools schemathesis
	cargo nextest run $(everything) --run-ignored only \
		-E 'package(nexus) & test(/^contract::/)' $(ARGS)

# A workspace of its own: the oracles bring older crates along that the program shall not have.
.PHONY: test-fuzz
test-fuzz: toolchain ## Replay the fuzz corpus, and compare signatures with other implementations
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo test --manifest-path fuzz/Cargo.toml --locked

# The browser test starts the program that the Rust tests are built with.
.PHONY: test-page
test-page: toolchain ## Run the tests of the page, in Node and in a browser
ifeq ($(page),)
	@echo 'test-page: there is no page yet'
else ifeq ($(npm),)
	@echo 'test-page: $(without_node)' >&2; exit 1
else
test-page: web/dist/index.html
	@scripts/install-test-tools cargo-tools mcp browser
	cd web && npm test
	cargo nextest run $(everything) --no-run
	cargo build $(everything) --bin scripted-provider
	cd web && npm run test:browser
endif

.PHONY: test-model
test-model: toolchain ## Run the tests that need a real language model
	@scripts/install-test-tools cargo-tools model
	cargo nextest run $(everything) --run-ignored only -E 'package(nexus) & test(real_model)'

# The two are built apart, so that the program is measured exactly as `make build` makes it.
.PHONY: bench
bench: build ## Measure a chat turn beside nginx; ARGS='--help' shows the options
	cargo build --release --locked --package nexus-bench
	@./target/release/nexus-bench run $(ARGS)

.PHONY: web
web: ## Build the page, when Node is there and a source has changed
ifneq ($(page),)
ifeq ($(npm),)
	@echo 'web: $(without_node): going on without the page'
else
web: web/dist/index.html
web/dist/index.html: web/node_modules/.package-lock.json \
		$(shell find web \( -name node_modules -o -name dist -o -name test-results \) -prune -o -type f -print)
	@echo 'web: building the page'
	cd web && npm run build
	@touch $@

# npm writes this file last.
web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	@echo 'web: getting the packages of the page'
	cd web && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@
endif
endif

.PHONY: tools
tools: toolchain ## Install what the tests need into .tools/
	@scripts/install-test-tools

.PHONY: clean
clean: ## Remove what was built; data/ and .tools/ stay
	cargo clean
	rm -rf web/dist web/node_modules

.PHONY: toolchain
toolchain:
	@command -v cargo >/dev/null || { echo 'Rust is needed: https://rustup.rs' >&2; exit 1; }
	@command -v cc >/dev/null || { \
		echo 'A C compiler is needed, as SQLite is built from its source.' >&2; \
		echo 'On Debian: sudo apt-get install build-essential' >&2; exit 1; }

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
