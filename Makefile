# `make` lists what can be done. Set PYTHON to choose the interpreter (3.11 or newer).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
# The minor release of SQLAlchemy that is worked with; each has an environment of its own.
SQLALCHEMY ?= 2.1
# How many processes the tests share the work among.
WORKERS ?= 3
# Arguments for the program behind a target: make test ARGS="-k guard"
ARGS ?=

VENV := $(if $(filter 2.1,$(SQLALCHEMY)),.venv,.venv-sqlalchemy$(SQLALCHEMY))
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check
PIP_INSTALL := $(PIP) install --constraint $(VENV)/constraints.txt
TYPED := $(wildcard flask_billing example_app benchmarks tests/typing tools)

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(VENV)/.installed ## Run the example app beside a local Stripe; needs no account, and network for the first run alone
	@exec $(BIN)/python -m example_app.demo $(ARGS)

.PHONY: test
test: $(VENV)/.developed ## Run the tests on every database that answers; says what did not run
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadscope $(ARGS)

.PHONY: coverage
coverage: $(VENV)/.developed ## Run the tests and show the lines that none of them reaches
	@$(BIN)/python -m coverage run -m pytest $(ARGS)
	@$(BIN)/python -m coverage report

.PHONY: lint
lint: $(VENV)/.developed ## Check the style and the types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy $(TYPED)

.PHONY: format
format: $(VENV)/.developed ## Put the code into shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: docs
docs: $(VENV)/.developed ## Build the documentation into docs/_build/html
	@$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs docs/_build/html
	@echo "docs/_build/html/index.html"

.PHONY: bench
bench: $(VENV)/.developed ## Measure what guard, pages, events, usage, closing and collecting cost
	@$(BIN)/python -m benchmarks $(ARGS)

# How many months are played, from which seed, and whether each tells its story.
SEEDS ?= 100
FROM ?= 1
VERBOSE ?=

.PHONY: simulate
simulate: $(VENV)/.developed ## Play month-ends with everything going wrong, and count: SEEDS=1000 FROM=1
	@$(BIN)/python -m tests.simulation --seeds $(SEEDS) --from $(FROM) \
		$(if $(VERBOSE),--verbose) $(ARGS)

.PHONY: wheel
wheel: $(VENV)/.developed ## Build the wheel and run a host app with it in an empty environment
	@$(BIN)/python tools/wheel_check.py

.PHONY: services
services: ## Install and start the servers and the browser of the full test suite (Debian, as root)
	@PYTHON=$(PYTHON) tools/services

.PHONY: clean
clean: ## Remove the environments and everything built; the demo's data stay
	@rm -rf .venv .venv-sqlalchemy* build dist docs/_build htmlcov .coverage .coverage.* \
		.hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment is made anew when pyproject.toml changes, and left alone otherwise.
$(VENV)/.installed: pyproject.toml
	@PYTHON=$(PYTHON) tools/environment $(VENV)
	@echo "sqlalchemy==$(SQLALCHEMY).*" > $(VENV)/constraints.txt
	@echo "Installing flask_billing into $(VENV) …"
	@$(PIP) install --upgrade "pip>=25.1"
	@$(PIP_INSTALL) --editable . --group example
	@touch $@

$(VENV)/.developed: $(VENV)/.installed
	@echo "Installing what develops it …"
	@$(PIP_INSTALL) --group test --group lint --group docs
	@$(PIP_INSTALL) --no-deps --group openapi
	@touch $@
