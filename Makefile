# Every target works as the only command on a fresh machine with python3 (3.11 or later), pip and a C++
# compiler: the first one makes .venv, the others find it finished.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
STAMP := $(VENV)/installed
RUNNING := $(VENV)/installed-to-run
PEERS := .venv-peers
TORCH := $(shell grep '^torch==' constraints.txt)
# The names in pyproject.toml's list of what running needs; constraints.txt has the versions.
NEEDED := $(shell sed -n '/^dependencies = \[/,/^\]/s/^ *"\([A-Za-z0-9_-]*\).*/\1/p' pyproject.toml)
COMPILER := $(shell for c in $$CXX c++ g++ clang++; do command -v "$$c" && break; done)

# Build requirements come from constraints.txt too: pip before 25.3 reads the first name, later ones the second.
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_BUILD_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Where there is a compiler, a mistake in csrc/ stops the installation; without one seqloom installs without csrc/.
ifneq ($(COMPILER),)
export SEQLOOM_REQUIRE_NATIVE := 1
endif

.DEFAULT_GOAL := help
.PHONY: help demo test test-cpus check lint types imports docs format bench clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1\t/' | expand -t 17

demo: $(if $(wildcard $(STAMP)),$(STAMP),$(RUNNING)) ## train a small model on text that comes with seqloom, and let it write
	$(VENV)/bin/seqloom demo

# Tests are small: a process for each core is faster than threads. A worker that has none left takes over some of
# another's, from its end, so that what a file's tests share is still made once for most of them.
WORKERS := --numprocesses logical --maxprocesses 8 --dist worksteal
test: export SEQLOOM_FUZZ ?= $(if $(SLOW),60,0)
test: $(STAMP) ## run tests and doctests; SLOW=1 the slow ones too, PYTEST='tests/cells -k gru' some
	OMP_NUM_THREADS=1 $(RUN) -m pytest $(WORKERS) $(if $(SLOW),,-m 'not slow') $(PYTEST)

test-cpus: $(STAMP) ## run those of kernels and training as on other machines: AVX2, portable, without csrc/
	OMP_NUM_THREADS=1 $(RUN) .ci/test_cpus.py $(WORKERS)

check: lint types imports docs ## lint, format, types, the direction of imports, and the documentation

lint: $(STAMP)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

types: $(STAMP)
	$(RUN) -m basedpyright --pythonpath $(RUN)

imports: $(STAMP)
	$(VENV)/bin/lint-imports

docs: $(STAMP) ## build the documentation into build/site; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict --quiet

format: $(STAMP) ## mend what `make check` can mend by itself
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

# The short ones first. Everything else in benchmarks/ is what they share.
BENCHMARKS := startup training_step cells narrow_vectors recurrence agreement memory peers decoding end_to_end forecast rolls \
  inspection verdicts run_folders large_table large_series large_media memory_tasks sweep
bench: $(STAMP) $(PEERS)/installed ## run every benchmark, one by one, alone on the machine: hours
	@set -e; for script in $(wildcard $(BENCHMARKS:%=benchmarks/%.py)); do \
	  echo "== $$script"; $(RUN) "$$script"; \
	done

# What we are measured against has its own versions of what we need too.
$(PEERS): $(PEERS)/installed
$(PEERS)/installed: benchmarks/peers.txt
	$(PYTHON) -m venv --clear $(PEERS)
	PIP_CONSTRAINT= $(PEERS)/bin/python -m pip install --quiet --requirement benchmarks/peers.txt
	@touch $@

clean: ## remove .venv and everything built or cached
	rm -rf $(VENV) $(PEERS) build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp holds the folder it was made in, because scripts in a .venv that was moved or copied point elsewhere,
# and a sum over the names of all modules, because an editable installation remembers where each one is, and of
# the compiler, which may come later.
MODULES := $(shell { echo "$(COMPILER)"; find src -name '*.py' | LC_ALL=C sort; } | cksum)
FOLDER_WAS := $(shell cat $(STAMP) $(RUNNING) 2>/dev/null | sed -n 1p)
MODULES_WERE := $(shell cat $(STAMP) $(RUNNING) 2>/dev/null | sed -n 2p)
ifneq ($(FOLDER_WAS) $(MODULES_WERE),$(CURDIR) $(MODULES))
.PHONY: $(STAMP) $(RUNNING)
endif

# The stamps go first and one comes back last: an interrupted installation is never taken for a finished one.
# torch goes in before everything else, by its exact version, so that no other package chooses its build. Meanwhile
# seqloom itself is installed, because csrc/ takes the compiler longest and needs no torch. The last command adds what
# is still missing. --no-compile: Python compiles what it imports, a small part of what pip would compile.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "seqloom needs Python 3.11 or later as $(PYTHON). Got: $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "$(PYTHON) cannot make virtual environments. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@[ "$(FOLDER_WAS)" = "$(CURDIR)" ] && $(RUN) -m pip --version >/dev/null 2>&1 \
	  || $(PYTHON) -m venv --clear $(VENV)
	@rm -f $(STAMP) $(RUNNING)
	@[ -n "$(COMPILER)" ] || echo "No C++ compiler: seqloom goes without its compiled kernels. On Debian or Ubuntu: apt-get install g++" >&2
	@echo "compiling csrc/, and installing $(TORCH) and what seqloom needs"
	@$(RUN) -m pip install --quiet --no-compile --no-deps --editable . & compiling=$$!; \
	  trap 'kill $$compiling 2>/dev/null; exit 1' INT TERM; \
	  $(RUN) -m pip install --quiet --no-compile $(TORCH) && $(RUN) -m pip install --quiet --no-compile $(NEEDED); needed=$$?; \
	  wait $$compiling && exit $$needed
	$(RUN) -m pip install --quiet --no-compile '$(1)'
	@printf '%s\n' "$(CURDIR)" "$(MODULES)" > $@
endef

SOURCES := pyproject.toml constraints.txt CMakeLists.txt $(shell find csrc -type f)
$(STAMP): $(SOURCES)
	$(call install,seqloom[dev])

# Only to run here: the kernels are compiled for this processor.
$(RUNNING): export SEQLOOM_THIS_MACHINE := 1
$(RUNNING): $(SOURCES)
	$(call install,seqloom)
