# Needs Python 3.11 or newer and make. Everything is installed into .venv, pinned and hash-checked.
#
#   make run       the main job on the sample data
#   make test      all checks and tests
#   make test-long compares the engine with plain Python on 50,000 random cases, for about an hour
#   make bench     20 million made-up events: a bare scan, DuckDB, ClickHouse and us, all results compared;
#                  OPTIONS="--events 100000000 --chart chart.svg" and the like, OPTIONS=--help lists them
#   make bench-funnels  funnels where one user owns a quarter of the events, against the same events spread out
#   make bench-deliveries  2 million messages, an hour later nothing, and an hour later a few: time and memory
#   make dagster   the Dagster web interface on http://localhost:3000
#   make build     the wheel, into dist/
#   make lock      pins the dependencies of pyproject.toml anew
#   make clean     removes the environment, caches and the results of runs

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help run test check pytest test-long bench bench-funnels bench-deliveries dagster build lock clean

help:
	@sed -n 's/^#   //p' Makefile

run: $(INSTALLED)
	$(BIN)/audiences run

test: check pytest

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Two workers with one thread each: with more threads than cores small data takes a third longer. The programs that tests
# start have all threads (see tests/conftest.py), and that results don't depend on their number is a test of its own.
pytest test-long: export POLARS_MAX_THREADS = 1

pytest: $(INSTALLED)
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-long: $(INSTALLED)
	HYPOTHESIS_PROFILE=long $(BIN)/pytest --numprocesses 2 --dist worksteal --verbose \
		tests/engines/test_against_naive.py tests/engines/test_whole_users.py tests/engines/test_whole_accounts.py

bench: $(INSTALLED)
	PYTHONPATH=tests $(BIN)/python -m benchmarks $(OPTIONS)

bench-funnels: $(INSTALLED)
	$(BIN)/python tests/benchmarks/funnel_skew.py

bench-deliveries: $(INSTALLED)
	PYTHONPATH=tests $(BIN)/python -m benchmarks.deliveries $(OPTIONS)

dagster: $(INSTALLED)
	mkdir -p dagster_project/home
	DAGSTER_HOME="$(CURDIR)/dagster_project/home" $(BIN)/dagster dev

build: $(INSTALLED)
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

# Made again when the lock file or the project's settings change; until then the environment is used as it is. The lock
# file is complete, so pip has nothing to resolve (--no-deps).
$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@echo "Installing into $(VENV), which takes a minute or two, once."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(INSTALLED)

# uv writes one file for every Python version and platform; it is not needed for anything else.
lock: $(INSTALLED)
	$(BIN)/python -m pip install --quiet 'uv>=0.9'
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --upgrade --quiet \
		--generate-hashes --no-strip-extras \
		--custom-compile-command "make lock" --output-file requirements.lock

clean:
	rm -rf $(VENV) .audiences dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
