# The only list of developer commands; `make` alone shows it.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help up install test coverage long lint format chaos truth fuzz docs bench lock clean

# Where bytecode is not kept, each program that we start compiles all that it imports once more.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
SOURCE ?= sandbox
PORT ?= 3000
# pytest processes: one a core, two at least, so that the tests always run in parallel.
WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); [ $$n -gt 2 ] && echo $$n || echo 2)
# Passed on to the command: make test ARGS='-k calendar -x'
ARGS ?=
# In which process a test runs: tests/conftest.py. In their order, so that the long ones come first.
PYTEST := pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
RUN := cd backend && exec ../.venv/bin
LOCK := $(RUN)/uv pip compile --quiet --universal --generate-hashes --no-strip-extras --python-version 3.11 \
	--no-emit-index-url --no-emit-find-links --no-header

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

up: ## start the platform until Ctrl-C (SOURCE=sandbox|exchange, PORT=3000)
	@$(PYTHON) tools/install.py
	@$(PYTHON) tools/build_page.py || echo "Going on without the console; API, worker and beat need it not."
	@exec .venv/bin/quantlab up --source $(SOURCE) --port $(PORT) $(ARGS)

install: ## install what the tests and checks need, and build the console's page
	@$(PYTHON) tools/install.py --dev
	@$(PYTHON) tools/build_page.py

test: install ## run the tests (ARGS='-k name' for some of them)
	@$(PYTHON) tools/install.py --qlib
	@$(RUN)/$(PYTEST) $(ARGS)

coverage: install ## run the tests and measure what they call, which takes half as long again
	@$(MAKE) --no-print-directory test ARGS='--cov --cov-report=term $(ARGS)'

long: install ## run the tests that take half a minute or more each
	@$(PYTHON) tools/install.py --qlib
	@cd backend && QUANTLAB_LONG=full ../.venv/bin/$(PYTEST) -m long $(ARGS)

lint: install ## check style, types, layers, docker-compose.yml and Dockerfile
	@$(RUN)/ruff check . ../tools ../benchmarks ../client
	@$(RUN)/ruff format --check . ../tools ../benchmarks ../client
	@$(RUN)/mypy
	@cd client && ../.venv/bin/mypy
	@$(RUN)/lint-imports
	@.venv/bin/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	@.venv/bin/hadolint Dockerfile

format: install ## put the code into form
	@$(RUN)/ruff check --fix-only --quiet . ../tools ../benchmarks ../client
	@$(RUN)/ruff format . ../tools ../benchmarks ../client

chaos: install ## hurt a real platform in every way, then at random (ARGS='--minutes 10 --seed 2330')
	@cd backend && QUANTLAB_CHAOS=full ../.venv/bin/pytest tests/chaos
	@$(RUN)/python -m tests.chaos $(ARGS)

truth: install ## take the real panels beside the project through everything, from an empty database to the real Qlib
	@$(PYTHON) tools/install.py --qlib
	@cd backend && QUANTLAB_TRUTH=full ../.venv/bin/pytest -s tests/integration/services/test_panels.py

fuzz: install ## give the parsers 100,000 malformed replies (ARGS='--replies 5000 --base 100000'), the API 9,000 questions
	@$(RUN)/python -m tests.fuzz $(ARGS)
	@cd backend && QUANTLAB_FUZZ=full ../.venv/bin/pytest tests/integration/api/test_described.py

docs: install ## renew the reference pages and build the documentation as a site into .cache/docs/site
	@.venv/bin/python tools/build_docs.py

bench: install ## measure the performance claims
	@$(RUN)/python ../benchmarks $(ARGS)

lock: install ## renew the locked dependencies from backend/*.in
	@$(LOCK) requirements.in -o requirements.lock $(ARGS)
	@$(LOCK) -c requirements.lock requirements-dev.in -o requirements-dev.lock $(ARGS)
	@$(LOCK) -c requirements-dev.lock --excludes requirements-qlib.without requirements-qlib.in \
		-o requirements-qlib.lock $(ARGS)
	@$(LOCK) -c requirements-dev.lock requirements-uv.in -o requirements-uv.lock $(ARGS)

clean: ## remove the virtual environments and caches; never data
	@rm -rf .venv .venv-qlib .cache backend/.coverage* backend/coverage.xml backend/*.egg-info backend/.hypothesis \
		backend/.pytest_cache backend/.mypy_cache backend/.ruff_cache backend/.import_linter_cache .ruff_cache \
		frontend/node_modules frontend/dist backend/app/admin/dist
	@find backend tools benchmarks client -name __pycache__ -type d -prune -exec rm -rf {} +
