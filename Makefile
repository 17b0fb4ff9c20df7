# The kit's commands. `make run` and `make test` need Python 3.11 or later and nothing else: they make .venv themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BUILD_STAMP := $(VENV)/.installed-build
PIP := $(BIN)/python -m pip --disable-pip-version-check
EXTRAS := notebooks,photos,formats,dev
PROFILE ?= laptop
# The unit tests share two workers; numerical libraries get one thread in each.
WORKERS ?= 2
TEST_ENVIRONMENT := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help run test check install lab app bench models test-gpu lock environment clean

help:  ## list these commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "The kit needs Python 3.11 or later; found $$($(PYTHON) --version). Try: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "Python could not make a virtual environment; on Debian and Ubuntu: apt install python3-venv"; exit 1; }

# Installed again whenever the dependencies or the lock change.
$(STAMP): pyproject.toml requirements.lock | $(VENV)/bin/python
	@echo "Installing into $(VENV) (on Linux PyPI's torch brings CUDA: about 3 GB; minutes on a fast line)"
	@$(PIP) install --quiet --constraint requirements.lock --editable '.[$(EXTRAS)]'
	@touch $(STAMP)

$(BUILD_STAMP): $(STAMP)
	@$(PIP) install --quiet --constraint requirements.lock --editable '.[$(EXTRAS),build]'
	@touch $(BUILD_STAMP)

install: $(STAMP)  ## make .venv and install the kit in it

run: $(STAMP)  ## run the notebooks (PROFILE=ci|laptop|long|paper)
	@$(BIN)/hyperface run --profile $(PROFILE)

check: $(STAMP)  ## lint, format, types, import direction
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check  ## everything that must pass before a change is kept
	$(TEST_ENVIRONMENT) $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

test-gpu: $(STAMP)  ## the device tests on this machine's accelerator
	$(BIN)/python -m pytest tests/gpu -m gpu

lab: $(STAMP)  ## JupyterLab on this machine only, opened at notebook 01
	@$(BIN)/hyperface lab

app: $(STAMP)  ## the lab on margin losses as a page, on this machine only
	@$(BIN)/python -m voila notebooks/labs/margin_losses.ipynb --Voila.ip=127.0.0.1 --strip_sources=False

bench: $(STAMP)  ## measure speed (tests/bench)
	$(BIN)/python -m pytest tests/bench --override-ini 'addopts=--import-mode=importlib' -s -o 'python_files=bench_*.py'

models: $(BUILD_STAMP)  ## build every shipped artefact again, from nothing and in order (hours)
	$(BIN)/python -m hyperface_lib.build

lock: $(BUILD_STAMP)  ## renew requirements.lock and environment.yml after a change of pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --no-emit-index-url --no-emit-find-links --no-annotate --all-extras \
	  --python-version 3.11 --custom-compile-command "make lock" pyproject.toml --output-file requirements.lock
	$(BIN)/python -m hyperface_lib.build.environment

environment: $(STAMP)  ## write environment.yml from pyproject.toml
	$(BIN)/python -m hyperface_lib.build.environment

clean:  ## remove runs and caches, keep .venv
	rm -rf runs .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
