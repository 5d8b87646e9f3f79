# make demo: set up and see it work. make test: set up and check everything that is quick.
# The first that runs and is new enough: names alone may be shims of a version manager.
PYTHON ?= $(shell for each in python3 python3.11 python3.12 python3.13; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test test-slow kills bench bench-large checkpoint clean

demo: $(VENV)/runtime
	$(BIN)/clapsearch demo

test: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

test-slow: $(VENV)/dev
	$(BIN)/python -m pytest -m slow

# Kill everything that writes at random moments until KILLS have hit: nothing may be lost, doubled or wrong.
KILLS ?= 300
kills: $(VENV)/dev
	$(BIN)/python tests/kills.py --kills $(KILLS)

# Every figure of speed in one table, in under half an hour on two cores; bench-large adds five million vectors.
# WORK: keeps what is made, 6 GB (bench-large: 8 GB more), for the next run. SOUNDS, CHECKPOINT: to index against the
# stock pipeline, instead of synthesised sounds with the bundled weights. PICTURES: a folder for the curves.
bench bench-large: WORK = $(or $(TMPDIR),/tmp)/clapsearch-bench
BENCH = $(BIN)/python tests/bench/bench.py --work $(WORK) $(if $(SOUNDS),--folder $(SOUNDS)) \
	$(if $(CHECKPOINT),--checkpoint $(CHECKPOINT)) $(if $(PICTURES),--pictures $(PICTURES))
bench: $(VENV)/dev
	$(BENCH)
bench-large: $(VENV)/dev
	$(BENCH) --large

# Train the bundled checkpoint anew, in hours on two cores: see docs/training.md.
# LIBRARY: a folder with manifest.csv and a teacher's audioset_posteriors.npz; WORK: states, sounds and the result.
LIBRARY ?= $(error make checkpoint needs LIBRARY=FOLDER and WORK=FOLDER)
WORK ?= $(error make checkpoint needs LIBRARY=FOLDER and WORK=FOLDER)
TRAIN = $(BIN)/clapsearch train $(WORK)/manifest.csv --audio $(LIBRARY) \
	--teacher $(LIBRARY)/audioset_posteriors.npz --new mini
checkpoint: $(VENV)/dev
	$(BIN)/python -m clapsearch.training.recipe $(LIBRARY)/manifest.csv $(WORK)
	$(TRAIN) --steps 16000 --variants 6 --validate-every 500 --patience 100 --out $(WORK)/first
	mkdir -p $(WORK)/mini-work
	cp -r $(WORK)/first-work/text $(WORK)/first-work/text_space.npz $(WORK)/mini-work
	$(TRAIN) --from $(WORK)/first --tutor 4000 --steps 6000 --learning-rate 5e-4 --mix 0.5 --variants 12 \
	    --validate-every 6000 --out $(WORK)/mini

$(VENV)/runtime: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable .
	@touch $@

$(VENV)/dev: $(VENV)/runtime
	$(INSTALL) --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
