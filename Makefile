# make run    set up and serve the dashboard (it starts the collector itself)
# make test   set up, check style and types, run every test but the slow ones
# make help   everything else

SHELL := /bin/sh
BIN := .venv/bin
PORT ?= 8501
OUT ?= artifacts

.DEFAULT_GOAL := help
.PHONY: help run collector simulate test test-fast test-e2e test-plugin test-slow test-cluster lint types bench lock sbom audit screenshots settings-docs clean

help: ## Show what can be made
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

run: .venv/run.stamp ## Set up and serve the dashboard on http://127.0.0.1:8501 (PORT=...)
	$(BIN)/streamlit run dashboard.py --server.port $(PORT)

collector: .venv/run.stamp ## Run only the collector, in the foreground
	$(BIN)/python -m collector

simulate: .venv/run.stamp ## Stream made-up, labelled traffic with attacks into the running collector
	$(BIN)/python -m collector simulate --to ws://127.0.0.1:8765/v1/stream --scenario burst --scenario leaked-key

test: lint types test-fast test-e2e test-plugin ## Set up, then style, types and all tests but the slow ones

test-fast: .venv/dev.stamp ## Only the tests without processes and browsers
	$(BIN)/python -m pytest -n auto -m "not e2e and not slow and not cluster"

test-e2e: .venv/dev.stamp ## Tests with real processes and a real browser
	@scripts/chromium
	@kong-plugin/test setup
	$(BIN)/python -m pytest -m "e2e and not slow and not shown" -n 3 --dist loadfile --no-loadscope-reorder
	$(BIN)/python -m pytest -m "e2e and shown and not slow" -s

test-plugin: ## The Kong plugin's own checks: style, specs, a real nginx
	@kong-plugin/test

test-slow: .venv/dev.stamp ## Tests that take minutes: soak, ten-minute live session; an hour in all on 2 busy cores
	@scripts/chromium
	FRESH_EXAMPLES=1 $(BIN)/python -m pytest -m slow -s --timeout 1800

test-cluster: .venv/cluster.stamp ## Tests with real PostgreSQL and NATS servers, which they start and end themselves
	$(BIN)/python -m pytest -m cluster --timeout 600

lint: .venv/dev.stamp ## Style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/dev.stamp ## Types, strict
	$(BIN)/mypy

bench: .venv/dev.stamp ## The figures we quote; writes $(OUT)/bench
	$(BIN)/python -m bench

screenshots: .venv/dev.stamp ## Every page, light and dark, into $(OUT)/screenshots
	@scripts/chromium
	$(BIN)/python -m pytest -m e2e tests/e2e/test_screenshots.py -s

lock: .venv-tools/stamp ## Pin every package with its hashes again, after a change of requirements*.txt (UPGRADE=1: newest)
	@scripts/lock

sbom: .venv-tools/stamp ## What the program is made of, as CycloneDX, into $(OUT)/sbom.json
	@mkdir -p $(OUT)
	.venv-tools/bin/cyclonedx-py requirements requirements.lock --output-reproducible -o $(OUT)/sbom.json

audit: .venv-tools/stamp ## Known weaknesses of what the program is made of; asks the advisory database
	.venv-tools/bin/pip-audit --require-hashes --disable-pip -r requirements.lock

clean: ## Remove the virtual environment and what tests left; keeps data/
	rm -rf .venv .venv-tools $(OUT) .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/run.stamp: requirements.lock scripts/venv
	@scripts/venv requirements.lock
	@touch $@

.venv/dev.stamp: requirements-dev.lock scripts/venv
	@scripts/venv requirements-dev.lock
	@touch $@ .venv/run.stamp

.venv/cluster.stamp: requirements-cluster-dev.lock scripts/venv
	@scripts/venv requirements-cluster-dev.lock
	@touch $@

.venv-tools/stamp: requirements-tools.txt .venv/run.stamp
	$(BIN)/python -m venv .venv-tools
	.venv-tools/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-tools.txt
	@touch $@
