# Both commands do all their own set-up inside this folder; they need make and Python 3.11+.
VENV := .venv
PY := $(VENV)/bin/python

# The first Python on the path that is new enough and can make environments.
# `make test PYTHON=/path/to/python` takes another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
	>/dev/null 2>&1 && { echo $$p; break; }; done)

# On Linux the torch of PyPI brings gigabytes of CUDA; the tests only need its CPU build.
CPU_TORCH := https://download.pytorch.org/whl/cpu

# One more than there are cores, for the tests that wait for a process of their own; each takes 4 GB.
WORKERS = $$($(PY) -c "import os; print(min((os.cpu_count() or 1) + 1, 4))")

# Modules are compiled when they are first read, not all at once: of those installed few are.
unexport PYTHONDONTWRITEBYTECODE

# Further arguments of pip: `make test-oldest` keeps all packages at the oldest that are allowed.
PIP_ARGUMENTS ?=

.PHONY: quickstart test test-oldest test-newest docs wheel format clean

quickstart: $(VENV)/.installed
	@echo "First five pictures and captions are changed, so little that one hardly sees it."
	$(PY) -m mat_jax.cli attack scenes --eps 6/255 --out runs/first
	@echo "Now the model is measured on 250 pictures, defended by MAT, and measured again."
	$(PY) -m mat_jax.train

test: $(VENV)/.installed-test
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m pyrefly check --python-interpreter-path $(PY)
	$(PY) -m pytest -n $(WORKERS) --dist worksteal

# The two ends of what pyproject.toml allows, each in an environment of its own.
test-oldest:
	$(MAKE) test VENV=.venv-oldest PIP_ARGUMENTS="--constraint tests/oldest.txt"

test-newest:
	$(MAKE) test VENV=.venv-newest PIP_ARGUMENTS="--upgrade --upgrade-strategy eager"

# The site, in build/docs/index.html; a warning is an error.
docs: $(VENV)/.installed-docs
	$(PY) -m sphinx -q -W --keep-going -j auto docs build/docs

# An sdist, the wheel that is built of it, and a model attacked by that wheel in an environment of
# its own, outside of the checkout.
wheel: $(VENV)/.installed
	$(PY) -m pip install --quiet build
	rm -rf dist
	$(PY) -m build --quiet .
	$(PY) tests/tools/smoke.py dist/*.whl

format: $(VENV)/.installed-test
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

clean:
	rm -rf $(VENV) .venv-oldest .venv-newest build dist docs/made

# The stamps are written last, so an installation cut short is done again.
$(VENV)/.installed: $(PY) pyproject.toml
	$(PY) -m pip install --quiet --no-compile --editable .
	touch $@

$(VENV)/.installed-docs: $(PY) pyproject.toml
	$(PY) -m pip install --quiet --no-compile --editable '.[docs]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-test: $(PY) pyproject.toml
	if $(PY) -c "import urllib.request as r; r.urlopen('$(CPU_TORCH)/torch/', timeout=5)" \
		2>/dev/null; then extra="--extra-index-url $(CPU_TORCH)"; fi; \
	$(PY) -m pip install --quiet --no-compile $$extra $(PIP_ARGUMENTS) --editable '.[test]'
	touch $@ $(VENV)/.installed

$(PY):
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer with its venv module was found;" \
		"install one, or name one: make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
