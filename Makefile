# The README's commands, and those for people who work on wan-render.
# Everything is installed into .venv with the versions of constraints.txt; nothing outside this folder is touched.

PYTHON ?= python3
BACKEND ?=
STORYBOARD ?= storyboards/river-to-dove/storyboard.yaml

VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable

.PHONY: help film test thorough-test check farm format constraints clean
.DEFAULT_GOAL := help

help:
	@echo 'make film    render the demonstration film with the CPU animatic (no GPU, no weights)'
	@echo 'make test    install everything and run the suite'
	@echo 'make thorough-test  the few tests that take longest; before a release'
	@echo 'make check   lint, types, import contracts'
	@echo 'make format  fix and format the code with ruff'
	@echo 'make farm    Prefect server, worker and deployments on this machine; Ctrl-C stops them'
	@echo '             BACKEND=wan deploys the storyboards'"'"' own models, BACKEND=animatic the preview'
	@echo 'make constraints  find newer versions of all dependencies and write them to constraints.txt'
	@echo 'make clean   delete the venv and all caches'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo '$(PYTHON): wan-render needs Python 3.11 or newer; name one with: make PYTHON=python3.12 …' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { rm -rf $(VENV); echo 'no venv: on Debian or Ubuntu, install python3-venv' >&2; exit 1; }

$(VENV)/.base: $(BIN)/python pyproject.toml constraints.txt
	@echo 'installing wan-render into $(VENV) …'
	@$(INSTALL) .
	@touch $@

$(VENV)/.farm: $(VENV)/.base
	@echo 'installing Prefect into $(VENV) …'
	@$(INSTALL) '.[farm]'
	@touch $@

$(VENV)/.all: $(VENV)/.base
	@echo 'installing torch, diffusers, Prefect and the test tools into $(VENV) …'
	@$(INSTALL) '.[wan,gguf,farm,ray,editors,sign,mcp,dev]'
	@touch $@ $(VENV)/.farm

film: $(VENV)/.base
	@WAN_RENDER_BACKEND=$${WAN_RENDER_BACKEND:-animatic} $(BIN)/wan-render render $(STORYBOARD)

test: $(VENV)/.all
	@$(BIN)/pytest -n 2 --dist loadgroup --no-loadscope-reorder -m 'not thorough' || { [ $$? = 1 ] && $(BIN)/python .ci/second_go.py; }

thorough-test: $(VENV)/.all
	@$(BIN)/pytest -n 2 --dist loadgroup --no-loadscope-reorder -m thorough

check: $(VENV)/.all
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

farm: $(VENV)/.farm
	@BACKEND='$(BACKEND)' exec $(BIN)/wan-render farm up

format: $(VENV)/.all
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

constraints: $(BIN)/python
	@$(BIN)/python .ci/constraints.py

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
