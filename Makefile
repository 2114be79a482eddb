# Everything a developer does, from a fresh clone: each target sets up what it needs, in .venv and .cache, and nowhere else.

PYTHON ?= python3
BIN := .venv/bin
# Packages come from the lock alone, by hash, wherever the machine's pip gets them; the lock is complete, so nothing is resolved.
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PYTEST := $(BIN)/python -m pytest

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help install services demo test lint unit coverage integration scenarios e2e chaos bench evaluate screenshots lock clean

help: ## say what can be made
	@grep -hE '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# --- setting up ---------------------------------------------------------------------------------------------------------------------

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed (PYTHON=/path/to/python3)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { [ "$$(id -u)" -eq 0 ] && command -v apt-get >/dev/null \
	  && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null; } \
	  || { echo "Python's venv module is needed (Debian: python3-venv)"; exit 1; }
	@$(PYTHON) -m venv .venv

.venv/.packages: requirements.lock | .venv/bin/python
	@echo "installing packages from requirements.lock"
	@$(PIP) install --no-deps --require-hashes -r requirements.lock
	@touch $@

# The compiled core lies beside its sources, so it must never be older than they are: whoever edits one gets a new one. Without a
# compiler the sources themselves run.
.venv/.installed: pyproject.toml setup.py streams/flow.py $(wildcard streams/*.pxd $(foreach at,core core/step,streams/$(at)/*.py streams/$(at)/*.pxd)) .venv/.packages
	@find streams -name '*.so' -delete
	@$(PIP) install --no-deps --no-build-isolation -e . >.venv/install.log 2>&1 || { cat .venv/install.log; exit 1; }
	@$(BIN)/python -c 'from streams.core.user import COMPILED; \
	  print("compiled core" if COMPILED else "interpreted core (no C compiler, or it failed): same results, slower")'
	@touch $@

install: .venv/.installed ## the virtual environment, with the command .venv/bin/streams

services: # Java, Maven and Redis, by apt where we are root; else a word about what lacks
	@.ci/services

# --- running ------------------------------------------------------------------------------------------------------------------------

demo: install ## the whole system on this machine, with a simulated world: make demo [SECONDS=60]
	@$(BIN)/streams demo $(if $(filter command line,$(origin SECONDS)),--seconds $(SECONDS))

# --- testing ------------------------------------------------------------------------------------------------------------------------

# Two at a time: much of it waits for Kafka, for Redis, for a page.
test: lint ## everything that must hold before a commit
	@$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target coverage unit integration scenarios

lint: install ## style and types
	@$(BIN)/ruff check .
	@$(BIN)/mypy

unit: install services # rules one by one, on the compiled core where there is one
	@$(PYTEST) tests/unit tests/property

# Tests of what lies outside the pure core: they say the same whether it is compiled or not.
OUTSIDE := architecture asyncapi canaries check cli* clients collect_* compose deadrate demo_folder embedded evaluate flight harness heads hosting \
  liveview logs monitoring oracle pauses proxy refusals replay_sources serve_[aft]* sim sim_* source tasks telemetry tracing wheel

coverage: install # the pure core again, interpreted (compiled code cannot be traced): 98 % of its branches
	@STREAMS_INTERPRETED=1 $(PYTEST) tests/unit tests/property $(foreach each,$(OUTSIDE),--ignore-glob='*/test_$(each).py') \
	  --cov --cov-report=term -q -r f

integration: install services # part by part on real Kafka and Redis, in a real browser, with real clients
	@$(PYTEST) tests/integration tests/e2e tests/clients

scenarios: install services # histories of crashes; the short form of every failure
	@$(PYTEST) tests/model tests/chaos

e2e: install services ## the system as its users see it
	@$(PYTEST) tests/e2e tests/clients -m 'long or not long'

chaos: install services ## the long form of every failure: make chaos [SCENARIO=3]
	@$(BIN)/python -m tests.chaos $(if $(filter command line,$(origin SCENARIO)),SCENARIO=$(SCENARIO))

bench: install services ## figures of this machine, one line each: bench NAME VALUE UNIT
	@for bench in $(basename $(notdir $(wildcard tests/bench/bench_*.py))); do echo "# $$bench"; $(BIN)/python -m "tests.bench.$$bench"; done

screenshots: install services ## pictures of the page for docs and README, of a seeded shop: docs/images
	@$(BIN)/python -m tests.screenshots

evaluate: install ## how well the alerts foretell, on data with a known outcome
	@$(BIN)/python -m tests.evaluate

# --- keeping house ------------------------------------------------------------------------------------------------------------------

lock: .venv/.packages ## resolve the dependencies of pyproject.toml anew
	@compile() { $(BIN)/pip-compile --quiet --upgrade --generate-hashes --allow-unsafe --strip-extras --no-header --no-annotate \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links "$$@" pyproject.toml; }; \
	compile --all-extras --output-file requirements.lock; \
	compile --extra serve --extra otel --constraint requirements.lock --output-file requirements-runtime.lock
	@sed -i '/^# The following packages are considered/d' requirements.lock requirements-runtime.lock

clean: ## remove everything that was made
	@rm -rf .venv .cache build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage htmlcov
	@find streams \( -name '*.so' -o -name '*.c' \) -delete
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
