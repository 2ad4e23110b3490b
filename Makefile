# Everything a fresh machine needs is Python 3.11 or newer and this file; plain `make` lists the targets.
#
# One virtual environment, .venv, serves both the app and the tests.  Each lock file has a stamp in it, so that pip
# runs when that lock (or pyproject.toml) has changed and at no other time: from then on no network is needed.

.DEFAULT_GOAL := help
.PHONY: help run test test-model trust spark lint bench docs sbom screens lock clean

PY   := .venv/bin/python
PIP  := $(PY) -m pip --disable-pip-version-check
ARGS ?=
# Test files are shared out to two processes; WORKERS=0 runs them in one (for a debugger).
WORKERS ?= 2

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

run: .venv/run.stamp ## start Pipulate in the browser (options: make run ARGS="--port 5002")
	@$(PY) -m pipulate $(ARGS)

test: .venv/dev.stamp ## run all tests, with a real browser (one part: make test ARGS=tests/engine/test_record.py)
	@$(PY) -m tests.chromium > /dev/null
ifeq ($(ARGS),)
# Two sessions: Playwright keeps an event loop running, in which no async test of the same process can start another.
	@$(PY) -m pytest -n $(WORKERS) --dist loadfile --ignore=tests/browser
	@$(PY) -m pytest -n $(WORKERS) --dist loadfile tests/browser
else
	@$(PY) -m pytest $(ARGS)
endif

test-model: .venv/dev.stamp ## run the tests that need the real model's weights
	@$(PY) -m pytest -m model $(ARGS)

# SEED=7 takes other chances, TRUST=long ten times as many.  Tests are shared out one by one (tests/trust/table.py).
SEED ?= 1
trust: .venv/dev.stamp ## prove the promises at full length, and write the table of it (.ci/trust: with all it needs)
	@$(PY) -m tests.trust.needs
	@SEED=$(SEED) $(PY) -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder -m trust --hypothesis-seed=$(SEED) \
		--table=pipulate/docs/trust.md $(ARGS)

spark: .venv/spark.stamp ## install Spark (half a gigabyte; it needs Java 17), which make trust then tries, too

lint: .venv/dev.stamp ## check format and style (ruff) and types (mypy)
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy

bench: .venv/dev.stamp ## measure, and print the table of ratios
	@$(PY) -m bench $(ARGS)

docs: .venv/dev.stamp ## write the manual's reference page anew from the docstrings
	@$(PY) scripts/make_reference.py

sbom: .venv/dev.stamp ## write what this is made of, with licences and hashes, as CycloneDX
	@$(PY) scripts/make_sbom.py pipulate.cdx.json

screens: .venv/dev.stamp ## take the screenshots in pictures/ anew
	@$(PY) scripts/make_screens.py

# One resolution for every system and for Python 3.11 and up.  The lock files name no index: pip asks whichever the
# user has configured, and the hashes decide.  UPGRADE=--upgrade moves everything to the newest release.
UPGRADE ?=
UV      ?= $(or $(shell command -v uv),.venv/bin/uv)
COMPILE  = $(UV) pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
           --no-header --no-emit-index-url --no-emit-find-links --quiet $(UPGRADE)
lock: ## pin the libraries anew from pyproject.toml (needs uv: pip install uv)
	@$(COMPILE) --extra lan --group build --output-file requirements.lock
	@$(COMPILE) --extra lan --extra mcp --extra portable --group build --group dev --constraints requirements.lock --output-file requirements-dev.lock
	@$(subst pyproject.toml,--group spark,$(COMPILE)) --constraints requirements-dev.lock --output-file requirements-spark.lock

clean: ## remove the virtual environment and caches (never your data)
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info

# --- the virtual environment ------------------------------------------------------------------------------------------

# The first Python that runs and is new enough; an older `python3` may stand before a newer `python3.12`.
FIND_PYTHON = for p in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null && { echo "$$p"; break; }; done

.venv/made.stamp:
	@python=$$($(FIND_PYTHON)); \
	if [ -z "$$python" ]; then \
		echo "Pipulate needs Python 3.11 or newer, and none was found." >&2; \
		echo "Install one (https://www.python.org/downloads/), or name it: make run PYTHON=/path/to/python3.12" >&2; \
		exit 1; \
	fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2> /dev/null; then \
		echo "$$python cannot make virtual environments: Debian and Ubuntu keep that apart." >&2; \
		echo "Install it (sudo apt install python3-venv) and call make again." >&2; \
		exit 1; \
	fi; \
	echo "Making .venv with $$("$$python" --version)"; \
	"$$python" -m venv .venv
	@touch $@

# The project itself is installed in editable form, for the `pipulate` command; its build tool comes from the lock too.
define install
	@echo "Installing the libraries of $(1) (a minute or two, this once)"
	@$(PIP) install --quiet --require-hashes --requirement $(1)
	@$(PIP) install --quiet --no-index --no-deps --no-build-isolation --editable .
	@touch $@
endef

.venv/run.stamp: .venv/made.stamp requirements.lock pyproject.toml
	$(call install,requirements.lock)

.venv/dev.stamp: .venv/made.stamp requirements-dev.lock pyproject.toml
	$(call install,requirements-dev.lock)

.venv/spark.stamp: .venv/dev.stamp requirements-spark.lock
	@echo "Installing Spark (half a gigabyte, this once)"
	@$(PIP) install --quiet --require-hashes --requirement requirements-spark.lock
	@touch $@
