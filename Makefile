# One command each; every target first sees to it that .venv is there, current, and holds what that target needs.
#
#   make PYTHON=python3.12 test     another interpreter (`make clean` first, if .venv stands already)
#   make JOBS=8 test                more processes than two
#   make ARGS='-k clock -x' test    what else to tell pytest, or `make benchmarks`

PYTHON ?= python3
JOBS ?= 2
ARGS ?=
MINUTES ?= 1
SEED ?= 1

VENV := .venv
BIN := $(VENV)/bin

# The extras of pyproject.toml that each target needs; mypy reads the tests' libraries too.
extras_demo :=
extras_test := [test]
extras_lint := [lint,test]
extras_plugins := [build]
extras_notebooks := [notebooks,test]
extras_benchmarks := [benchmarks]

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Two pips at work in one environment break it.
.NOTPARALLEL:
.PHONY: help demo test test-long baselines fuzz lint format plugins plugins-check notebooks benchmarks clean stale

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/for-demo ## reproduce the paper in its quick form, a table and a report; show what a plugin was proved to do
	@$(BIN)/quicsim reproduce --quick --jobs $(JOBS)
	@echo
	@$(BIN)/quicsim plugin inspect tlp

test: $(VENV)/for-test ## the test suite, without the long tests
	@$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

baselines: $(VENV)/for-test ## what the scenarios do now becomes what they should do: tests/scenarios/baselines/
	@$(BIN)/python -m pytest --quicsim-update -n $(JOBS) $(ARGS) tests/scenarios

# pytest ends with 5 where no test bears the mark.
test-long: $(VENV)/for-test ## the long tests
	@$(BIN)/python -m pytest -m long -n $(JOBS) $(ARGS) || test $$? -eq 5

fuzz: $(VENV)/for-test ## every fuzzer of the virtual machine, a minute each (MINUTES=10 for longer, SEED=2 for others)
	@for subject in verifier unchecked engines elf; do \
	  $(BIN)/python -m vm.fuzz $$subject --minutes $(MINUTES) --seed $(SEED) || exit 1; done

lint: $(VENV)/for-lint ## ruff and mypy --strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/for-lint ## let ruff sort the imports and lay out the code
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format .

plugins: $(VENV)/for-plugins ## rebuild the plugins' ELF objects and the generated C header
	@$(BIN)/python -m quicsim.plugin.build

plugins-check: $(VENV)/for-plugins ## fail if a committed object or the header differs from what its source gives
	@$(BIN)/python -m quicsim.plugin.build --check

notebooks: $(VENV)/for-notebooks ## run every notebook from top to bottom
	@$(BIN)/python -m pytest --nbmake -n $(JOBS) $(ARGS) notebooks

benchmarks: $(VENV)/for-benchmarks ## speed beside SimPy alone and beside ns.py, in one run
	@$(BIN)/python -m benchmarks $(ARGS)

clean: ## remove .venv, caches and built distributions; results/ stays
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment whose interpreter is gone or became another version, or that was moved here from another directory
# (its scripts name the old one), is made anew.
ifneq ($(shell $(BIN)/python -c 'import pip' 2>/dev/null && cat $(VENV)/made-for),$(CURDIR))
$(VENV)/made-for: stale
endif

debian_hint = on Debian or Ubuntu: apt install $(1)
enough := import sys; sys.exit(sys.version_info < (3, 11))
version := import sys; print(sys.version.split()[0])

$(VENV)/made-for:
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "quicsim needs Python 3.11 or newer, and there is no '$(PYTHON)' here ($(call debian_hint,python3 python3-venv)), or name yours: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c '$(enough)' 2>/dev/null || { \
	  echo "quicsim needs Python 3.11 or newer, and '$(PYTHON)' is $$("$(PYTHON)" -c '$(version)' 2>&1 | head -n 1): install a newer one and name it: make PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot make virtual environments, its venv module is missing or incomplete ($(call debian_hint,python3-venv)), then run make again" >&2; exit 1; }
	@rm -rf $(VENV)
	@"$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "'$(PYTHON)' could not make $(VENV), for the reason above ($(call debian_hint,python3-venv))" >&2; exit 1; }
	@printf '%s\n' "$(CURDIR)" >$@

# One stamp a target: while it is newer than pyproject.toml, no pip runs and no network is needed. pip prints errors only.
$(VENV)/for-%: pyproject.toml $(VENV)/made-for
	@echo "Installing quicsim$(extras_$*) into $(VENV) ..."
	@$(BIN)/python -m pip install -qq --no-input --disable-pip-version-check --editable '.$(extras_$*)'
	@touch $@
