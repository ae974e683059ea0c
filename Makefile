# Everything runs in a virtual environment of its own; `make demo` and `make test` set it up.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WEB_READY := node_modules/.ready
NPM := $(shell command -v npm)
CHROMIUM := $(firstword $(shell command -v chromium chromium-browser google-chrome))

.PHONY: help setup demo test test-web lint lint-web format bench bench-quick clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 13

setup: $(READY) ## Make the virtual environment

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(READY) ## Refocus the sample photo, near and far
	$(BIN)/focuspuller render samples/still_life.jpg --focus 0.24,0.75 --f-number 1.4 -o out/near.jpg
	$(BIN)/focuspuller render samples/still_life.jpg --focus 0.55,0.215 --f-number 1.4 -o out/far.jpg
	$(BIN)/focuspuller run workflows/api/refocus_photo.json --out out

test: lint test-web ## Lint, type check and run all tests
	$(BIN)/pytest

ifeq ($(NPM),)
lint-web test-web:
	@echo "SKIPPED: the checks of the browser code need npm (Node.js 20 or newer), and there is none."
else
$(WEB_READY): package.json package-lock.json
	$(NPM) ci
	@touch $@

lint-web: $(WEB_READY)
	$(NPM) run --silent lint

test-web: $(WEB_READY) $(READY) ## Test the browser code, in a browser too
	$(NPM) run --silent unit
ifeq ($(CHROMIUM),)
	@echo "SKIPPED: the end-to-end tests need Chromium, and there is none."
else
	FOCUSPULLER_PYTHON=$(BIN)/python FOCUSPULLER_CHROMIUM=$(CHROMIUM) $(NPM) run --silent e2e
endif
endif

lint: $(READY) lint-web ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python

format: $(READY) $(if $(NPM),$(WEB_READY)) ## Bring the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(if $(NPM),$(NPM) run --silent format)

bench: $(READY) ## Time, memory and quality of every renderer, CPU and GPU
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/flux_forward.py

bench-quick: $(READY) ## The same on small pictures only
	$(BIN)/python benchmarks/run.py speed truth --sizes 1024 --radii 8 32 --patience 10

clean: ## Remove the virtual environment, node_modules and all output
	rm -rf $(VENV) node_modules out build dist *.egg-info
