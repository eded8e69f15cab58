# The commands of README.md and CONTRIBUTING.md. Each installs what it needs into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/pytest --numprocesses auto --maxprocesses 8
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: quickstart test thorough parity lint clean

quickstart: $(VENV)/run
	$(BIN)/python scripts/sweep.py --config configs/quickstart.py

test: $(VENV)/test
	$(PYTEST) tests --ignore tests/parity -m "not thorough" --dist loadfile

thorough: $(VENV)/test
	$(PYTEST) tests --ignore tests/parity -m thorough --dist loadfile

parity: $(VENV)/parity
	$(PYTEST) tests/parity --dist load

lint: $(VENV)/lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --project .

clean:
	rm -rf $(VENV)

# One stamp file per set of packages. Changed requirements install them again.
$(VENV)/run: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	touch $@

$(VENV)/test: $(VENV)/run
	$(PIP) jsonschema openai outlines-core pytest pytest-xdist selenium tensorboard tensorboardX
	touch $@

$(VENV)/parity: $(VENV)/test
	$(PIP) torch==2.13.0
	$(PIP) peft
	touch $@

$(VENV)/lint: $(VENV)/test
	$(PIP) ruff pyright pre-commit
	touch $@
