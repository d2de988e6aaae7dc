# Tasks for working on the template. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Python for the virtual environment. Empty: the first one from 3.11 to 3.13.
PYTHON ?=
PORT ?= 9090
VENV := build/.venv
READY := $(VENV)/ready
# Of the project: `install.sh VENV ARGUMENTS` installs into a virtual environment.
INSTALL := '{{cookiecutter.project_slug}}/requirements/install.sh'
# The project is installed with the same uv.
export UV := $(CURDIR)/$(VENV)/bin/uv
# Libraries are compiled when they are first imported: keep that, or all processes do it.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-template test-starters test-demo lint lint-demo format requirements clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | column -t -s '|'

demo: $(READY)  ## Bake the default project, run it and play a story (PORT=9090, EXIT=1)
	@$(VENV)/bin/python -m demo --port $(PORT) $(if $(filter-out 0,$(EXIT)),--exit)

test: $(READY) build/demo  ## Bake every option and check it; run the default project's own tests
	$(MAKE) -C build/demo .venv/.tools
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target test-template lint-demo
	$(MAKE) --no-print-directory --jobs=2 test-demo test-starters

# In one process, which bakes each set of answers once.
test-template: lint
	$(VENV)/bin/python -m pytest --ignore=tests/test_starters.py $(ARGS)

# After lint-demo: mypy reads what it found out about the files that are the same.
test-starters: $(READY)
	$(VENV)/bin/python -m pytest tests/test_starters.py

test-demo:
	$(MAKE) -C build/demo test

# Type checks take one core, and the longest.
lint-demo:
	$(MAKE) -C build/demo lint

# Bake and install the default project. Data that a demo recorded in it is kept.
.PHONY: build/demo
build/demo: $(READY)
	$(VENV)/bin/python -m demo.baking $@
	$(MAKE) -C $@ install

lint: $(READY)  ## Check format, style and types of hooks, demo and tests
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

format: $(READY)  ## Format hooks, demo and tests
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

requirements: $(READY)  ## Compile requirements.in (needs uv)
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" uv pip compile --quiet --no-header --universal --python-version 3.11 requirements.in -o requirements.txt

clean:  ## Remove build/
	rm -rf build

$(READY): requirements.txt
	@echo "making the template's own environment in $(VENV) …"
	@PYTHON='$(PYTHON)' $(INSTALL) $(VENV) --quiet -r requirements.txt
	@touch $@
