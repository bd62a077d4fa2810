# `make demo` and `make test` need Python 3.11 or later and make, nothing else: the environment in .venv is made here.
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
# The first that really runs: a pyenv shim may be on PATH for a version that is not switched on.
PYTHON := $(shell for p in python3.12 $$(ls -d $$HOME/.pyenv/versions/3.12*/bin/python 2>/dev/null) python3.11 python3 python3.13; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

.PHONY: demo test test-bundle test-matrix test-faults test-downloads test-forks test-late test-lists test-versions mutants lint emulate bench bench-quick bench-memory bench-checksums clean help

help:
	@echo "make demo     the whole path on emulated clouds, told step by step"
	@echo "make test     lint, types, layers and tests"
	@echo "make test-bundle  the real databricks command deploys and runs the bundle on the emulated clouds"
	@echo "make test-matrix  provisioning under every fault, in its long form: about 40 minutes"
	@echo "make test-lists  3,000 random buckets, listed in every way, with answers that are no list; five minutes"
	@echo "make test-faults  1,000 readings over a connection that breaks at any byte; two minutes"
	@echo "make test-late  1,000 readings that are stopped while a thread of theirs is late; four minutes"
	@echo "make test-forks  200 moments at which a busy process forks; four minutes"
	@echo "make test-downloads  300 downloads killed anywhere, and what they left cut, planted and forged; four minutes"
	@echo "make test-versions  the notebook half on the boto3 of every serverless environment, the operator half at its lower bounds; six minutes"
	@echo "make mutants MODULES=\"wire http1\"  what no test sees when it is changed; hours for all of them"
	@echo "make test-hosts  which hosts are asked for, with every setting and handler, on each boto3; four minutes"
	@echo "make emulate  emulated AWS and Databricks on loopback; prints the exports and waits"
	@echo "make bench    s3private beside its peers, about 20 minutes; writes docs/performance.md. bench-quick: three minutes"
	@echo "make bench-memory  a listing of 1,000,000 keys and a read of 10 GiB within their bounds"
	@echo "make bench-checksums  what verifying costs, by algorithm; three minutes"
	@echo "make clean    remove .venv and what was built"

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed, and none was found on PATH" >&2; exit 1; }
	@echo "== making the environment in $(VENV) with $$($(PYTHON) --version); once, about a minute"
	@$(PYTHON) -m venv --clear $(VENV)
	@command -v uv >/dev/null || { echo "== uv is not here: pip fetches it"; $(BIN)/python -m pip install --quiet uv; }
	@echo "== installing s3private, the emulator and the test tools"
	@PATH="$(CURDIR)/$(BIN):$$PATH" uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(READY)
	@$(BIN)/python -m s3private_emulator.demo

# One more than there are processors: many tests wait for the other end.
test: lint
	@echo "== tests; about ten minutes on two processors"
	@$(BIN)/python -m pytest -q -n $$(($$(nproc 2>/dev/null || sysctl -n hw.ncpu) + 1)) --dist loadfile

test-bundle: $(READY)
	@echo "== the bundle, deployed and run by the databricks command"
	@$(BIN)/python -m pytest -q -m runs tests/bundle

test-matrix: $(READY)
	@echo "== every interruption at every writing call, in its long form; about 40 minutes"
	@$(BIN)/python -m pytest -q -rP -m matrix tests/emulated

test-lists: $(READY)
	@echo "== 3,000 random buckets, listed in every way, with answers that are no list; about five minutes"
	@S3PRIVATE_LIST_CASES=3000 $(BIN)/python -m pytest -q -s --timeout 1800 tests/unit/test_random_lists.py

test-faults: $(READY)
	@echo "== 1,000 readings over a connection that breaks at any byte; about two minutes"
	@S3PRIVATE_FAULT_CASES=1000 $(BIN)/python -m pytest -q -s tests/unit/test_faults.py

test-late: $(READY)
	@echo "== 1,000 readings that are stopped at any moment while a thread of theirs is late; about four minutes"
	@S3PRIVATE_LATE_CASES=1000 $(BIN)/python -m pytest -q -s tests/unit/test_late_threads.py

test-forks: $(READY)
	@echo "== 200 moments at which a busy process forks; about four minutes"
	@S3PRIVATE_FORK_MOMENTS=200 $(BIN)/python -m pytest -q -s tests/unit/test_fork_moments.py

test-downloads: $(READY)
	@echo "== 300 downloads killed anywhere, and what they left cut, planted and forged; about four minutes"
	@S3PRIVATE_DOWNLOAD_CASES=240 $(BIN)/python -m pytest -q -s tests/unit/test_interrupted_downloads.py

test-versions: $(READY)
	@echo "== the notebook half on boto3 1.34.69, 1.36.2, 1.40.45 and the newest; about fifteen minutes"
	@$(BIN)/python -m pytest -q -m versions tests/versions

mutants: $(READY)
	@PYTHONPATH=tests nice $(BIN)/python -m mutation $(MODULES)

test-hosts: $(READY)
	@echo "== which hosts are asked for, in a network that is loopback alone; about four minutes"
	@$(BIN)/python -m pytest -q -m hosts tests/hosts

lint: $(READY)
	@echo "== lint, types, layers"
	@$(BIN)/ruff check && $(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

emulate: $(READY)
	@$(BIN)/python -m s3private_emulator --delays demo --state .emulator

.bench/ready: $(READY) $(wildcard bench/requirements*.txt)
	@echo "== making the peers' environments in .bench; once, about a minute"
	@for each in peers s3fs; do $(PYTHON) -m venv --clear .bench/$$each || exit 1; done
	@PATH="$(CURDIR)/$(BIN):$$PATH" uv pip install --quiet --upgrade --python .bench/peers/bin/python --editable . -r bench/requirements.txt
	@PATH="$(CURDIR)/$(BIN):$$PATH" uv pip install --quiet --upgrade --python .bench/s3fs/bin/python -r bench/requirements-s3fs.txt
	@touch $@

bench: .bench/ready
	@.bench/peers/bin/python -m bench

bench-quick: .bench/ready
	@.bench/peers/bin/python -m bench --quick

bench-memory: .bench/ready
	@.bench/peers/bin/python -m bench.memory

bench-checksums: .bench/ready
	@.bench/peers/bin/python -m bench.checksums

clean:
	rm -rf $(VENV) .bench .mutants dist .demo .emulator .mypy_cache .ruff_cache .pytest_cache
