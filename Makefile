# `make demo` and `make test` do all the set-up on a fresh machine with Python >= 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test types suite docs format gpu clean

demo: $(VENV)/.demo-installed
	$(BIN)/mouselift demo demo

test: $(VENV)/.test-installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(MAKE) --no-print-directory --jobs 2 types suite
	$(MAKE) --no-print-directory docs

# Types are checked beside the tests: pyright is one process, and alone it would leave the other cores idle.
types: $(VENV)/.test-installed
	$(BIN)/pyright

# Bytecode is kept, whatever the machine's setting: every process that a test starts would compile the package again.
suite: $(VENV)/.test-installed
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest

docs: $(VENV)/.docs-installed
	PYTHONWARNINGS=ignore NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "Open site/index.html"

format: $(VENV)/.test-installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

# With the network's part, so that the demo ends in 3D; torch as in the tests.
$(VENV)/.demo-installed: $(VENV)/.installed constraints.txt
	$(BIN)/python -m pip install --quiet --editable '.[train]' --constraint constraints.txt
	touch $@

$(VENV)/.test-installed: $(VENV)/.installed constraints.txt
	$(BIN)/python -m pip install --quiet --group test --editable '.[train,view]' --constraint constraints.txt
	touch $@

$(VENV)/.docs-installed: $(VENV)/.installed constraints.txt
	$(BIN)/python -m pip install --quiet --group docs --constraint constraints.txt
	touch $@

# Your own Python with torch for CUDA and gsplat (pip install '.[train,gpu]'): make gpu PYTHON=python
gpu:
	$(PYTHON) benchmarks/gpu_check.py --out gpu

clean:
	rm -rf $(VENV) demo site
