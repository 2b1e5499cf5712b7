# Everything a fresh machine needs is Python 3.11 or newer, and make.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN    := $(VENV)/bin
PYTHONS ?= $(shell .ci/pythons $$("$(PYTHON)" -c 'import sys; print("%d.%d" % sys.version_info[:2])'))
# More workers than cores: many tests wait for a process, a lease or the emulator.
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
JOBS ?= $(shell echo $$(($(CORES) * 2)))
# Without bytecode each of some thousand processes that tests start would compile what it imports.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help run quick quick-all test test-all stress lint bench docs clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

run: $(VENV)/.runtime ## Set up, then run phase 3 of the newest game date of the sample season
	$(BIN)/nbactl run phase3

quick: $(VENV)/.dev ## Set up, then run the unit and property tests: under a minute
	$(BIN)/python -m pytest -n $(CORES) tests/unit tests/property $(ARGS)

test: $(VENV)/.dev ## Set up, then run all tests
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

test-all: test quick-all ## All tests, and the quick ones on every other Python that is installed

quick-all: ## The quick tests on every other Python that is installed (PYTHONS="python3.13 ..." names them)
	@for python in $(PYTHONS); do \
	  version=$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') || exit 1; \
	  echo "Python $$version"; \
	  $(MAKE) --no-print-directory quick PYTHON="$$python" VENV=.venv-$$version || exit 1; \
	done

stress: $(VENV)/.dev ## Set up, then kill the migration at every named instant under 50 live writers, try all examples
	NBACTL_STRESS=1 NBACTL_REQUIRE_EMULATORS=1 $(BIN)/python -m pytest -p no:randomly tests/faults/test_completions_stress.py tests/acceptance tests/property tests/unit/workflows/test_engine_property.py $(ARGS)

lint: $(VENV)/.dev ## Style, types, import contracts, docs drift
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -n $(CORES)
	$(BIN)/lint-imports
	$(BIN)/python -m nbactl.cli.help.reference --check docs/reference.md
	$(BIN)/python -m nbactl check code .
	$(BIN)/python -m nbactl bq lint . --exclude nbactl/checks/sql/rules

bench: $(VENV)/.bench ## Measure against the floors and peers (ratios of one run)
	$(BIN)/python -m benchmarks $(ARGS)

docs: $(VENV)/.dev ## Write the generated pages again
	$(BIN)/python -m nbactl.cli.help.reference docs/reference.md
	$(BIN)/python -m tests.kit.library_samples
	$(BIN)/python -m tests.kit.sql_proofs

$(VENV)/.bench: $(VENV)/.dev
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install -q --disable-pip-version-check -e '.[bench]'
	@touch $@

clean: ## Remove the environment and all caches (never .nbactl, which is data)
	rm -rf $(VENV) .venv-3.* .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "make: no python3.11 or python3 found; set PYTHON=/path/to/python" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $(PYTHON) is older than 3.11; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)

$(VENV)/.runtime: pyproject.toml constraints.txt | $(BIN)/python
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install -q --disable-pip-version-check -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/.runtime
