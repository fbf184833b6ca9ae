# Every target sets up what it needs: uv (from PyPI where the machine has none) and .venv from the hashed locks.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
ARGS ?=
export PYTHONDONTWRITEBYTECODE ?=

UV := $(or $(shell command -v uv),.cache/uv/bin/uv)
BIN := .venv/bin
SOURCES := $(shell find operator/llmjob -type f -not -name '*.pyc') pyproject.toml

.PHONY: help install demo test test-fast check format verify generate pictures bench bench-scale lock binaries clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: .venv/.installed ## Set up .venv with the llmjob command (.venv/bin/llmjob)

# Only where it is said on the command line: a KUBECONFIG of the shell must lead no demonstration to a real cluster.
GUEST := $(if $(filter command,$(firstword $(origin KUBECONFIG))),--kubeconfig "$(KUBECONFIG)")

demo: .venv/.installed ## The whole way on a simulated cluster (or KUBECONFIG=file's); ARGS=--once exits when all was shown
	@$(BIN)/python -m controlplane demo $(GUEST) $(ARGS)

test: .venv/.installed ## All tests, with the real control plane (built once into a cache); KUBERNETES=1.34 is the oldest
	@$(BIN)/python -m controlplane build
	@$(BIN)/python -m pytest $(ARGS)

test-fast: .venv/.installed ## The tests that need no control plane, under a minute
	@$(BIN)/python -m pytest -m "not cluster" -n auto $(ARGS)

check: .venv/.locked ## Formatter, linter, types, import floors
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@PYTHONPATH=operator $(BIN)/lint-imports --no-cache

format: .venv/.locked ## Format and fix what can be fixed
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

generate: .venv/.installed ## Write the generated files (CRD, reference, dashboards, rules)
	@$(BIN)/python -m tools.generate

verify: .venv/.installed ## Regenerate and fail on a difference
	@$(BIN)/python -m tools.generate --check

pictures: .venv/.installed ## Draw the dashboards into docs/pictures (two minutes)
	@$(BIN)/python -m observability.pictures

bench: .venv/.installed ## Accuracy on measured rows: coverage and width of every group
	@$(BIN)/python -m benchmarks.accuracy $(ARGS)

bench-scale: .venv/.installed ## Cold starts at 5,000 nodes beside an empty cluster: time, CPU, memory
	@$(BIN)/python -m benchmarks.scale $(ARGS)

binaries: .venv/.installed ## Build the control plane's binaries into the cache
	@$(BIN)/python -m controlplane build

lock: $(UV) ## Write requirements/*.txt anew from pyproject.toml
	@for target in "runtime" "dev --group dev"; do set -- $$target; name=$$1; shift; \
	  $(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header pyproject.toml "$$@" \
	    --output-file requirements/$$name.txt; done
	@$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' | \
	  $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header - \
	    --output-file requirements/build.txt
	@echo uv | $(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header - \
	    --output-file requirements/uv.txt

clean: ## Remove .venv and what was made beside it (not the binaries' cache)
	@rm -rf .venv .cache build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.cache/uv/bin/uv: requirements/uv.txt
	@echo "setting up uv ..."
	@$(PYTHON) -m venv .cache/uv
	@.cache/uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

.venv/.locked: requirements/dev.txt | $(UV)
	@echo "setting up .venv ..."
	@[ -x $(BIN)/python ] || $(UV) venv --quiet --python ">=3.11" .venv
	@VIRTUAL_ENV=.venv $(UV) pip sync --quiet --compile-bytecode --require-hashes requirements/dev.txt
	@touch $@

.venv/.installed: .venv/.locked $(SOURCES)
	@VIRTUAL_ENV=.venv $(UV) pip install --quiet --compile-bytecode --no-deps --no-build-isolation --reinstall .
	@touch $@
	@echo "installed .venv/bin/llmjob"
