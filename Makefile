# Needs make and Python 3.11, 3.12 or 3.13; all else is installed into a virtual environment.

VENV ?= .venv
PYTHON := $(VENV)/bin/python
RUN := runs/quickstart
EXPORT := exports/quickstart
# Processes that share the tests, a file each at a time.
TEST_PROCESSES ?= 2
PYTEST = $(PYTHON) -m pytest -q -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

# The first Python of a version that fits and that can make virtual environments.
FITS := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
FIND_PYTHON = for python in $(BASE_PYTHON) python3.11 python3.12 python3.13 python3; do \
  if $$python -c '$(FITS)' 2>/dev/null; then echo $$python; exit; fi; done

.PHONY: train test test-long test-all lint setup clean

train: $(VENV)/.installed
	$(PYTHON) -m alexnet_tf.train --run_dir=$(RUN)
	$(PYTHON) -m alexnet_tf.export --run_dir=$(RUN) --output=$(EXPORT)
	@echo
	@echo "Next:"
	@echo "  $(PYTHON) -m alexnet_tf.evaluate --run_dir=$(RUN) --views=ten"
	@echo "  $(PYTHON) -m alexnet_tf.predict --model=$(EXPORT) PICTURE.jpg"
	@echo "  $(VENV)/bin/tensorboard --logdir=$(RUN)/events"
	@echo "  $(PYTHON) -m alexnet_tf.train --data.source=folder:DIR --run_dir=runs/mine"

test: $(VENV)/.installed-test
	$(PYTEST) -m "not long and not slow"

test-long: $(VENV)/.installed-test
	$(PYTEST) -m "long and not slow"

test-all: $(VENV)/.installed-test
	$(PYTEST)

lint: $(VENV)/.installed-test
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .

setup: $(VENV)/.installed-test

$(VENV)/.made:
	@python=$$($(FIND_PYTHON)); \
	if [ -z "$$python" ]; then \
	  echo "No Python 3.11, 3.12 or 3.13 with venv found; install one or set BASE_PYTHON." >&2; \
	  exit 2; \
	fi; \
	echo "Setting up $(VENV) with $$python"; \
	$$python -m venv $(VENV)
	@touch $@

$(VENV)/.installed: setup.py | $(VENV)/.made
	$(PYTHON) -m pip install --quiet --editable .
	@touch $@

$(VENV)/.installed-test: setup.py | $(VENV)/.made
	$(PYTHON) -m pip install --quiet --editable ".[test]"
	@touch $@ $(VENV)/.installed

clean:
	rm -rf build dist ./*.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
