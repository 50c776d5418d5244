# Every target sets up what it needs in .venv.

PYTHON ?= python3
CORES ?= all
FRAMES ?= 2
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES)
# A file of tests goes to one process, since its tests share what takes long to make.
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: help demo test check lint format bench reliability coverage rehearsal site install

help:
	@echo "make demo       run everything on small data, into results/demo"
	@echo "make test       lint and the fast tests, about 6 minutes on two cores"
	@echo "make check      lint and all tests: cluster, conda, package, whole runs of the workflow"
	@echo "make lint       style, types, imports between the rooms, docstrings, workflow"
	@echo "make format     put the code into its form"
	@echo "make bench      measure speed and memory, into results/bench"
	@echo "make reliability  spoiled inputs, killed, long and repeated runs, changed code: hours (docs/reliability.md)"
	@echo "make coverage   which lines no test runs, after all tests"
	@echo "make rehearsal  the benchmark on simulated zips of real size (FRAMES=all for all frames)"
	@echo "make site       the manual as web pages, into results/site/index.html"
	@echo "make install    set up .venv from requirements.lock, with efficientcellseg and ctc-eval"

install: .venv/.project

# Written last, so that an interrupted installation is taken up again.
.venv/.installed: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"{sys.executable} is Python {sys.version.split()[0]}; expected 3.11 or newer: make PYTHON=/path/to/python3")'
	@echo "setting up .venv from requirements.lock: minutes, and up to 6 GB where torch brings CUDA"
	@$(PYTHON) -m venv .venv
	@$(PIP) install --quiet --requirement requirements.lock
	@touch $@

# The project itself, from this folder's source. What builds it is pinned, too.
.venv/.project: .venv/.installed pyproject.toml efficientcellseg/__init__.py
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: install
	$(SNAKEMAKE) --configfile config/demo.yaml --report results/demo/workflow.html --report-after-run
	@cat results/demo/tables/benchmark.txt
	@echo "look at it: $(CURDIR)/results/demo/report.html"

test: lint
	$(PYTEST) -m "not slow"

check: lint
	$(PYTEST)

lint: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/numpydoc lint $$(find efficientcellseg ctc_eval -name '*.py')
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

format: install
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/snakefmt Snakefile workflow

bench: install
	for script in bench/*.py; do $(BIN)/python "$$script" || exit 1; done

reliability: install
	$(BIN)/python -m bench.reliability
	$(BIN)/python -m bench.reliability.guided
	$(BIN)/python -m bench.reliability.mutation --children $$(nproc)

coverage: install
	$(BIN)/coverage erase
	$(BIN)/coverage run -m $(subst $(BIN)/python -m ,,$(PYTEST))
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered --sort cover

rehearsal: install
	$(BIN)/python -m bench.rehearsal --frames $(FRAMES) --cores $(CORES)

site: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
