# The targets for people, hooks and CI. `make help` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_FLAGS := --quiet --disable-pip-version-check --only-binary=:all:
ARGS ?=
SIZE ?=

.DEFAULT_GOAL := help
.PHONY: help install develop compile servers demo cluster test check format up down bench accuracy torture soak fuzz clean

help: ## print this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "vanpulse needs Python 3.11 or newer; say which with: make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing vanpulse into $(VENV)"
	@$(BIN)/pip install $(PIP_FLAGS) --editable .
	@touch $@

$(VENV)/developing: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "vanpulse needs Python 3.11 or newer; say which with: make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing vanpulse and its development tools into $(VENV)"
	@$(BIN)/pip install $(PIP_FLAGS) --editable '.[dev]'
	@touch $@ $(VENV)/installed

install: $(VENV)/installed ## create .venv with .venv/bin/vanpulse

develop: $(VENV)/developing ## the same, with the development tools

compile: install ## compile the core in place: less than half the CPU for it; needs a C compiler
	@$(BIN)/pip install $(PIP_FLAGS) --editable '.[compile]'
	@$(BIN)/python -m core_build

servers: ## install the real servers that tests use, from the distribution's packages (needs root on Debian)
	@tests/install-servers

$(VENV)/clustering: pyproject.toml
	@$(MAKE) --no-print-directory install
	@$(BIN)/pip install $(PIP_FLAGS) --editable '.[kafka]'
	@touch $@

cluster: $(VENV)/clustering ## the form for several machines on this one: Kafka, two agents of each role; ARGS="--vans 50"
	@exec $(BIN)/python -m agent.commands.start_cluster $(ARGS)

demo: install ## a simulated fleet, the agent and the live page; ARGS="--vans 50 --seconds 60"
	@exec $(BIN)/vanpulse demo $(ARGS)

test: develop servers ## all tests; ARGS="-k journal" selects some, ARGS=--hypothesis-profile=search tries new examples
	@$(BIN)/pytest $(ARGS)

check: develop ## format, lint, types, import rules, documentation
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m dashboards.grafana --check
	@$(BIN)/python -m core_build.codec --check
	@$(BIN)/pytest --quiet tests/test_architecture.py tests/test_docs.py

format: develop ## rewrite the sources in the project's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

up: ## start the Docker stack, with generated secrets
	@deploy/up

down: ## stop the Docker stack; its volumes are kept
	@deploy/down

bench: develop ## speed: CPU per message, latency, memory; SIZE=small|full
	@$(BIN)/python -m benchmarks.speed $(if $(SIZE),--size $(SIZE)) $(ARGS)

accuracy: develop ## compare results with recorded true values
	@$(BIN)/python -m benchmarks.accuracy $(if $(SIZE),--size $(SIZE)) $(ARGS)

torture: develop servers ## faults: kills, outages, bad networks; SIZE=number of kills
	@$(BIN)/python -m tests.torture $(if $(SIZE),--kills $(SIZE)) $(ARGS)

soak: develop servers ## steady load without growth; SIZE=minutes
	@$(BIN)/python -m benchmarks.soak $(if $(SIZE),--minutes $(SIZE)) $(ARGS)

fuzz: develop ## fuzzing; SIZE=number of inputs
	@$(BIN)/python -m benchmarks.fuzz $(if $(SIZE),--size $(SIZE)) $(ARGS)

clean: ## remove the files that other targets created
	@rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis agent/compiled_core.json
	@find agent -name '*.so' -delete
