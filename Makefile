# Every target sets up what it needs, once: `.venv` with the tool, and for development the test tools on top.
# Bare Python 3.11 and make are enough.

PYTHON ?= python3.11
TORCH := torch==2.13.0
BIN := .venv/bin
# Torch is named in every install, so that no other requirement can move it.
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check $(TORCH)
TOOL := .venv/.tool-ready
DEV := .venv/.dev-ready

# Small tensors gain nothing from threads, and the tests run in two processes.
export OMP_NUM_THREADS ?= 1

.PHONY: demo test lint self-audit bench snapshots docs clean

demo: $(TOOL)
	$(BIN)/ppo-audit demo

test: $(DEV)
	$(BIN)/python -m pytest -n 2

snapshots: $(DEV)
	$(BIN)/python -m pytest tests/reports tests/recipes --snapshot-update

docs: $(DEV)
	$(BIN)/python -m ppo_audit.rule_pages docs/rules

self-audit: $(DEV)
	$(BIN)/ppo-audit check --config reference/self-audit.toml

bench: $(DEV)
	$(BIN)/python -m tests.bench

# A type checker cannot see through the mapping of folders to packages, so it reads a plain copy, from outside the root.
lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf build
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --target build/typed .
	cd build && MYPYPATH=typed ../$(BIN)/mypy -p ppo_audit --config-file ../pyproject.toml

clean:
	rm -rf .venv build

$(TOOL): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -qq --disable-pip-version-check --upgrade "pip>=25.1"
	$(INSTALL)
	$(INSTALL) --editable .
	touch $@

$(DEV): $(TOOL)
	$(INSTALL) --editable ".[train]" --group dev --group conformance
	touch $@
