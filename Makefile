# `make demo` and `make test` need nothing but make and Python 3.11 or newer: they set up .venv themselves, and as root on
# Debian the servers that the tests need. Elsewhere the tests of a server that is missing are skipped, and counted.

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DOCS_INSTALLED := $(VENV)/.docs-installed
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13 python3.14; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
SERVERS ?= nginx node npm redis-server chromium
# How many processes share the tests.
JOBS ?= 2
PYTEST = $(BIN)/python -m pytest -n $(JOBS) --dist worksteal
# Of the long runs.
SEED ?= 12
SOAK_SECONDS ?= 3600

.DEFAULT_GOAL := help
.PHONY: help venv servers demo test quick long long-tests mutate house stubs instructions cov lint types check bench bench-quick docs clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|' 2>/dev/null \
		|| grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST)

$(INSTALLED): pyproject.toml
	@test -n "$(PYTHON)" || { echo "headrace needs Python 3.11 or newer: install it, or name it with PYTHON=/path/to/python" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 \
		|| { PYTHON=$(PYTHON) sh scripts/install.sh venv && $(PYTHON) -m venv --clear $(VENV); }
	@echo "installing headrace and its development tools into $(VENV) ..."
	@$(PIP) -e '.[dev]'
	@touch $@

$(DOCS_INSTALLED): $(INSTALLED)
	@$(PIP) -e '.[docs]'
	@touch $@

venv: $(INSTALLED)  ## the environment that every other target uses

demo: $(INSTALLED)  ## fetch with a limit, be killed, go on, prove that nothing is missing, write the report
	$(BIN)/headrace tour

servers:  ## the servers that tests need, from Debian's packages
	@sh scripts/install.sh $(SERVERS) || { test -z "$(CI)" && echo "the tests that need them are skipped" >&2; }

test: $(INSTALLED) servers  ## all tests
	$(PYTEST)

quick: $(INSTALLED)  ## less than a minute of tests: most of those that need no server, and some that do
	$(PYTEST) -m quick

cov: $(INSTALLED) servers  ## all tests, with branch coverage
	$(PYTEST) --cov --cov-branch --cov-report=term-missing:skip-covered

lint: $(INSTALLED)  ## ruff: rules and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(INSTALLED)  ## mypy and pyright
	$(BIN)/mypy --strict src $(wildcard tests/typing)
	$(BIN)/pyright

check: lint types docs test  ## everything that must pass before a commit

house: $(INSTALLED)  ## draw the rooms and their imports into docs/house.svg
	$(BIN)/python -m tests.kit.house

mutate: $(INSTALLED) servers  ## mutants of the code, which tests must kill
	$(BIN)/python -m tests.mutate --mutants 500 --seed 1 --jobs $(JOBS)

stubs: $(INSTALLED)  ## write src/headrace/sync.pyi, the types of SyncClient
	$(BIN)/python scripts/sync_stubs.py

instructions: $(INSTALLED)  ## what a request costs, in instructions of the processor
	@sh scripts/install.sh valgrind
	$(BIN)/python -m benchmarks.instructions

long: long-tests mutate  ## hours: all of which `make test` holds a sample
	$(BIN)/python -m tests.crossing --requests 1000000 --seed $(SEED)
	$(BIN)/python -m tests.crossing --requests 1000000 --seed $(SEED) --transport aiohttp
	$(BIN)/python -m tests.soak --seconds $(SOAK_SECONDS)
	$(BIN)/python -m tests.soak --seconds $(SOAK_SECONDS) --transport aiohttp
	$(BIN)/python -m tests.real_servers --requests 10000

long-tests: $(INSTALLED) servers
	@$(PIP) -e '.[ray]'
	HEADRACE_LONG=1 $(PYTEST) $(filter-out %_crossing.py,$(shell grep -l HEADRACE_LONG tests/*/test_*.py))

bench: $(INSTALLED)  ## the full measurement
	$(BIN)/python -m benchmarks

bench-quick: $(INSTALLED)  ## the same, shortened
	$(BIN)/python -m benchmarks --quick

docs: $(DOCS_INSTALLED)  ## build the documentation into site/
	$(BIN)/mkdocs build --strict

clean:  ## remove what was built, and the environment
	rm -rf $(VENV) .tox .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .benchmarks build dist site htmlcov .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
