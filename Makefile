# Each target works on a fresh clone. PYTHON may name any Python from 3.11 on.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup demo test check bench lock clean

setup: $(READY)

# exact versions with hashes; uv installs them in seconds where pip takes minutes
$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python %s was found; 3.11 or newer is needed; set PYTHON" % sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/uv pip install --quiet --require-hashes --compile-bytecode -r requirements.lock
	VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	touch $(READY)

demo: setup
	$(BIN)/testbed demo

test: setup
	$(BIN)/python -m pytest -n 2 --dist loadgroup

check: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python -m flows.released

# rivals need other versions of what we use, and stand apart
bench: setup $(VENV)-rivals/.ready
	@for file in tests/benchmarks/bench_*.py; do BENCH_PYTHON=$(abspath $(VENV))-rivals/bin/python $(BIN)/python $$file || exit 1; done

$(VENV)-rivals/.ready: tests/benchmarks/rivals.txt
	$(PYTHON) -m venv $(VENV)-rivals
	VIRTUAL_ENV=$(abspath $(VENV))-rivals $(BIN)/uv pip install --quiet -r $<
	touch $@

lock: setup
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--extra dev pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) $(VENV)-rivals .testbed .mypy_cache .ruff_cache .pytest_cache .hypothesis
