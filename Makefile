# Two commands do everything from a fresh clone:   make serve   and   make test
# `make check` holds style, types and import rules. Each installs what it needs, once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
WEB_CHECK := scripts/web-check
LABEL_STUDIO := .venvs/label-studio
LABEL_STUDIO_ML := .venvs/label-studio-ml
PROMTOOL := .venvs/promtool
KUBECTL := .venvs/kubectl

# Busy-waiting OpenMP threads make two processes on the same cores many times slower.
export OMP_WAIT_POLICY := passive
export GOMP_SPINCOUNT := 0
# Tests start hundreds of processes: what one has compiled, no other compiles anew.
unexport PYTHONDONTWRITEBYTECODE

# Tests wait for servers and browsers for much of their time: more processes than cores may be quicker.
WORKERS ?= auto

FUZZ := brush results documents xml zips members bodies objects requests chunks
SECONDS := 120

.PHONY: help serve test check check-web docs fuzz format clean
.DEFAULT_GOAL := help

help: ## list the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|'

serve: $(VENV)/.serve ## install and serve the Label Studio backend on port 9090
	$(BIN)/ritm serve

test: $(VENV)/.develop $(LABEL_STUDIO)/.installed $(LABEL_STUDIO_ML)/.installed ## install all that tests need and run them
	./scripts/system-packages chromium redis-server shellcheck nginx docker-compose
	@command -v initdb >/dev/null || test -d /usr/lib/postgresql || ./scripts/system-packages postgresql
	@command -v kubectl >/dev/null || test -x $(KUBECTL) || ./scripts/fetch-kubectl $(KUBECTL)
	@command -v promtool >/dev/null || test -x $(PROMTOOL) || ./scripts/fetch-promtool $(PROMTOOL)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --no-loadscope-reorder --max-worker-restart 0 $(PYTEST_ARGS)

check: $(VENV)/.develop ## ruff, mypy --strict, import rules, and check-web where node is
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	MYPYPATH=tests/servers:tests/e2e:tests/golden $(BIN)/mypy --scripts-are-modules bench/*.py bench/*/*.py
	$(BIN)/lint-imports
	@if command -v npm >/dev/null; then $(MAKE) check-web; else echo "No npm here: the demo's modules go unchecked."; fi

check-web: $(WEB_CHECK)/node_modules/.installed ## types and style of the demo's modules; needs node
	npm --prefix $(WEB_CHECK) run check

docs: $(VENV)/.develop ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

fuzz: $(VENV)/.develop ## throw damaged masks, exports and requests at their readers: make fuzz SECONDS=600 FUZZ=zips
	set -e; for target in $(FUZZ); do $(BIN)/python tests/fuzz/fuzz.py $$target -max_total_time=$(SECONDS); done

format: $(VENV)/.develop ## put the code into the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove all that the other commands installed
	rm -rf $(VENV) .venvs $(WEB_CHECK)/node_modules

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV) (once; PyTorch is large) ..."
	$(PIP) --constraint constraints.txt --editable '.[openvino]'
	@touch $@

$(VENV)/.develop: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV) (once; PyTorch is large) ..."
	$(PIP) --constraint constraints.txt --editable '.[test,check,cvat-agent]'
	@touch $@ $(VENV)/.serve

# Label Studio and its SDK have dependencies of their own that clash with ours: they get their own environments.
$(LABEL_STUDIO)/.installed: tests/requirements/label-studio.txt
	@echo "Installing Label Studio into $(LABEL_STUDIO) (once) ..."
	$(PYTHON) -m venv --clear $(LABEL_STUDIO)
	$(LABEL_STUDIO)/bin/python -m pip --disable-pip-version-check install --quiet --requirement $<
	@touch $@

$(LABEL_STUDIO_ML)/.installed: tests/requirements/label-studio-ml.txt $(VENV)/.develop
	@echo "Installing label-studio-ml into $(LABEL_STUDIO_ML) (once) ..."
	$(PYTHON) -m venv --clear $(LABEL_STUDIO_ML)
	$(LABEL_STUDIO_ML)/bin/python -m pip --disable-pip-version-check install --quiet --requirement $<
	@touch $@

$(WEB_CHECK)/node_modules/.installed: $(WEB_CHECK)/package-lock.json
	npm --prefix $(WEB_CHECK) ci --no-audit --no-fund
	@touch $@
