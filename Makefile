# What a person types: `make demo` to see it, `make test` to check it, `make help` for the rest.
# Needs Python 3.11 or later and make. Everything is installed below .venv (and .bench-venv), nothing elsewhere.

SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BENCH_VENV := .bench-venv
BIN := $(VENV)/bin
PYTEST_ARGS ?=
FAULTS ?= tests/faults
# Half of the tests wait for something: one process more than there are cores, and no more than four. 0 is without.
TEST_PROCESSES ?= $(shell n=$$(getconf _NPROCESSORS_ONLN); echo $$((n < 3 ? n + 1 : 4)))
BENCH_ARGS ?=
PIP_QUIET := --quiet --quiet --disable-pip-version-check

# Keras (tests and docs) runs on the lightest backend; small matrices need no thread pool.
export KERAS_BACKEND ?= jax
export JAX_PLATFORMS ?= cpu

.DEFAULT_GOAL := help
.PHONY: help demo test lint format types docs bench bench-short faults faults-short clean

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

$(VENV)/bin/python:
	@sh tools/make_venv.sh '$(PYTHON)' '$(VENV)'

# The package and what it needs to run, for `make demo`. The stamp of the full set below counts as well.
$(VENV)/.installed-core: $(VENV)/bin/python setup.py pyproject.toml
	@if [ -e $(VENV)/.installed-dev ]; then :; else \
	  echo "[2/3] Installing chariots and what it needs into $(VENV)/ (a minute or two the first time) ..."; \
	  $(BIN)/python -m pip install $(PIP_QUIET) -e . ; fi
	@touch $@

# Everything a developer needs. The wheels of the core are kept beside it, so that the test which installs chariots
# into an empty environment needs no network.
$(VENV)/.installed-dev: $(VENV)/bin/python setup.py pyproject.toml
	@echo "Installing chariots with its development tools into $(VENV)/ (a few minutes the first time) ..."
	@$(BIN)/python -m pip install $(PIP_QUIET) -e '.[dev]'
	@$(BIN)/python -m pip freeze --exclude-editable > $(VENV)/constraints.txt
	@$(BIN)/python -c "from importlib.metadata import requires as needs; \
	  print(*(need for need in needs('chariots') if 'extra ==' not in need), sep='\n')" > $(VENV)/core.txt
	@$(BIN)/python -m pip wheel $(PIP_QUIET) --wheel-dir $(VENV)/wheels \
	  --constraint $(VENV)/constraints.txt --requirement $(VENV)/core.txt
	@touch $@

# A server of Azure Blob Storage, fetched once with npm; only the tests need it.
$(VENV)/.installed-azurite: tools/azurite/package-lock.json tools/npm/install.sh | $(VENV)/.installed-dev
	@echo "Installing azurite, for the tests of AzureSaver, into $(VENV)/azurite/ (half a minute the first time) ..."
	@sh tools/npm/install.sh $(BIN)/python $(VENV)/azurite tools/azurite "azurite, a server of Azure Blob Storage,"
	@touch $@

# A browser, fetched once with npm; only the tests of the pages of a server need it.
$(VENV)/.installed-browser: tools/browser/package-lock.json tools/browser/unpack.mjs tools/npm/install.sh | $(VENV)/.installed-dev
	@echo "Installing Chromium, for the tests of pages, into $(VENV)/browser/ (half a minute the first time) ..."
	@sh tools/npm/install.sh $(BIN)/python $(VENV)/browser tools/browser "Chromium, a browser,"
	@touch $@

# The client of another server that speaks the same protocol; only a test needs it.
$(VENV)/.installed-mlserver: tools/mlserver/requirements.txt tools/mlserver/install.sh | $(VENV)/.installed-dev
	@echo "Installing MLServer, for the test of its client, into $(VENV)/mlserver/ (half a minute the first time) ..."
	@sh tools/mlserver/install.sh $(BIN)/python $(VENV)/mlserver
	@touch $@

demo: $(VENV)/.installed-core ## Train on the iris data, save, load, and predict over HTTP.
	@echo "[3/3] Running the demo ..."
	@$(BIN)/chariots demo
	@echo
	@echo "And in this clone"
	@echo "   examples/iris/               the tutorial's two files, to edit and to serve with 'flask run'"
	@echo "   docs/tutorial/iris.rst       how they come about"
	@echo "   make test                    the whole test suite"
	@echo "   . $(BIN)/activate         then 'chariots' and 'flask' are commands of this terminal"

test: $(VENV)/.installed-dev $(VENV)/.installed-azurite $(VENV)/.installed-browser $(VENV)/.installed-mlserver ## Run every test (brings its own Redis and PostgreSQL).
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist worksteal $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev ## Check style, formatting and the floors of the house.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev ## Format the code and sort its imports.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/.installed-dev ## Check types, strictly.
	$(BIN)/mypy

docs: $(VENV)/.installed-dev ## Build the documentation and run every example in it.
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	$(BIN)/sphinx-build -W --keep-going -q -b doctest docs docs/_build/doctest
	@echo "The documentation is at docs/_build/html/index.html"

# The peers we measure against live apart, on top of the development environment, so that nothing is fetched twice.
$(BENCH_VENV)/.installed: $(VENV)/.installed-dev benchmarks/requirements.txt
	@echo "Installing the peers for the benchmarks into $(BENCH_VENV)/ ..."
	@$(BIN)/python -m venv $(BENCH_VENV)
	@$(BIN)/python -c "import site; print(site.getsitepackages()[0])" \
	  > "$$($(BENCH_VENV)/bin/python -c 'import site; print(site.getsitepackages()[0])')/development.pth"
	@$(BENCH_VENV)/bin/python -m pip install $(PIP_QUIET) -r benchmarks/requirements.txt
	@touch $@

# Those that do not agree with one another on what they need have environments of their own; CI does without them.
$(BENCH_VENV)/peers/.installed: $(wildcard tools/peers/*) | $(BENCH_VENV)/.installed
	@sh tools/peers/install.sh '$(PYTHON)' '$(BENCH_VENV)/peers'
	@touch $@

bench: $(BENCH_VENV)/.installed $(BENCH_VENV)/peers/.installed ## Measure against the targets and print the table.
	$(BENCH_VENV)/bin/python benchmarks/run.py $(BENCH_ARGS)

bench-short: $(BENCH_VENV)/.installed ## The same table from fewer repetitions, which decide nothing.
	$(BENCH_VENV)/bin/python benchmarks/run.py --short $(BENCH_ARGS)

faults: $(VENV)/.installed-dev $(VENV)/.installed-azurite ## Break things in the middle of their work, many times; print what was survived.
	CHARIOTS_FAULT_ROUNDS=200 $(BIN)/python -m pytest -q --timeout=7200 $(FAULTS) $(PYTEST_ARGS)

faults-short: $(VENV)/.installed-dev $(VENV)/.installed-azurite ## The same table from a few times each.
	CHARIOTS_FAULT_ROUNDS=3 $(BIN)/python -m pytest -q $(FAULTS) $(PYTEST_ARGS)

clean: ## Remove everything that was built or installed here.
	rm -rf $(VENV) $(BENCH_VENV) build dist docs/_build .demo .tox *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
