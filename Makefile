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

.PHONY: help demo test test-template test-demo test-starters lint lint-template lint-demo format requirements clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | column -t -s '|'

demo: $(READY)  ## Bake the default project, run it and play a story (PORT=9090, EXIT=1)
	@$(VENV)/bin/python -m demo --port $(PORT) $(if $(filter-out 0,$(EXIT)),--exit)

test: $(READY) build/demo  ## Bake every option and check it; run the default project's own tests
	$(MAKE) -C build/demo .venv/.tools
	$(MAKE) --no-print-directory --jobs=2 test-template test-demo

# In one process, which bakes each set of answers once. It prints at its end (tac does), or
# its dots would mix with those of test-demo.
test-template: $(READY)
	$(VENV)/bin/python -m pytest --ignore=tests/test_starters.py $(ARGS) | tac | tac

test-demo:
	$(MAKE) -C build/demo test

# They use the environment of the default project, and what its lint found out about types.
test-starters: lint-demo  ## Lint and test the projects of the other starters
	$(VENV)/bin/python -m pytest tests/test_starters.py

# Bake and install the default project. Data that a demo recorded in it is kept.
.PHONY: build/demo
build/demo: $(READY)
	$(VENV)/bin/python -m demo.baking $@
	$(MAKE) -C $@ install

lint: lint-template lint-demo  ## Check format, style and types of the template and of the default project

lint-template: $(READY)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

lint-demo: build/demo
	$(MAKE) -C build/demo lint

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
