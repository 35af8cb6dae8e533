# Everything a user or developer runs. `make` alone lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
export OMP_WAIT_POLICY ?= passive
# Modules are compiled once, out of the tree: without it each process of the tests would compile a thousand of them.
export PYTHONPYCACHEPREFIX := $(CURDIR)/$(VENV)/pycache
unexport PYTHONDONTWRITEBYTECODE
export PYTHON PIP_ARGS TORCH FORCE FORCE_SETUP NB SUITE FIX
export GOALS := $(MAKECMDGOALS)

.PHONY: help setup demo test test-notebooks lint bench bench-accuracy bench-core bench-k bench-read bench-prep bench-faults bench-mutations bench-same bench-samples bench-scale bench-transfer bench-trust tutorials tutorials-full docs docs-check lab export readme notebooks lock clean distclean

help: ## list the targets
	@echo "scsmd_nb: make TARGET"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-15s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "Options: TORCH=cpu       take PyTorch's CPU build (smaller; for machines without an NVIDIA GPU)"
	@echo "         PIP_ARGS=\"...\"  more arguments for pip install, for example an index of your own"
	@echo "         PYTHON=python3.12  the interpreter that makes .venv (3.11 or newer)"
	@echo "         FORCE=1         do it again although nothing changed (demo, docs, notebooks)"
	@echo "         FIX=1           lint mends what it can"
	@echo "         SUITE=shared    which suite make bench runs"
	@echo "         NB=nbs/api/nn/00_likelihood.ipynb  one notebook only (test-notebooks, tutorials, notebooks)"

setup: ## make .venv and install the locked packages
	@bash tools/setup.sh

demo: setup ## cluster 700 real cells; table on screen, files in demo/
	@bash tools/demo.sh

test: setup ## exported modules, notebooks and tests; what CI runs
	@$(BIN)/python tools/run_tests.py

test-notebooks: setup ## run the notebooks only (NB=... for one)
	@$(BIN)/python tools/test_notebooks.py $(NB)

lint: setup ## check modules, notebooks, tests and tools with ruff, and lay out what is not (FIX=1 mends what it can)
	@$(BIN)/ruff check $${FIX:+--fix} . && $(BIN)/ruff format .

tutorials: setup ## run tutorials and lessons with the fast setting, without a network (NB=... for one)
	@$(BIN)/python tools/tutorials.py $(NB)

tutorials-full: setup ## run every notebook of the site with its full setting and store the outputs, about 1 h on two cores
	@$(BIN)/python tools/tutorials.py --full

bench: setup ## compare all methods: SUITE=quick (or paper, shared, ablation, noise), results in bench/SUITE/
	@$(BIN)/scsmd bench --suite $${SUITE:-quick} --out bench/$${SUITE:-quick} --jobs 2

bench-accuracy: setup ## the default preset beside its peers on 27 data sets (SCSMD_DATA_DIR), some hours
	@$(BIN)/python tools/bench_accuracy.py

bench-core: setup ## measure quality and speed on the real data sets (SCSMD_DATA_DIR)
	@$(BIN)/python tools/bench_core.py

bench-k: setup ## compare recommended and true numbers of clusters on the real data sets (SCSMD_DATA_DIR)
	@$(BIN)/python tools/bench_k.py

bench-read: setup ## time and memory of reading a 20,000 x 20,000 CSV
	@$(BIN)/python tools/bench_read.py

bench-prep: setup ## time and memory of QC and exploration on 100,000 simulated cells
	@$(BIN)/python tools/bench_prep.py

bench-faults: setup ## kill scsmd fit 50 times, fill the disk, start two on one folder; counts what was lost, about 5 min
	@$(BIN)/python tools/bench_faults.py

bench-samples: setup ## cells of several samples: types kept, samples mixed, beside Harmony, Scanorama, scVI (SCSMD_DATA_DIR)
	@$(BIN)/python tools/bench_samples.py

bench-scale: setup ## seconds and memory of fits from 4,000 to a million cells, in memory and on disk, about 1 h
	@$(BIN)/python tools/bench_scale.py

bench-transfer: setup ## labels from references on seven sets with samples (SCSMD_DATA_DIR)
	@$(BIN)/python tools/bench_transfer.py

bench-same: setup ## the same partition with other threads, orders and formats? on the sets of SCSMD_DATA_DIR, about 30 min
	@$(BIN)/python tools/bench_same.py

bench-trust: setup ## confidence against ten whole fits on twelve small sets (SCSMD_DATA_DIR)
	@$(BIN)/python tools/bench_trust.py

bench-mutations: setup ## damage files of every kind 300 times each (N=...) and count what was noticed, about 8 min
	@N=$${N:-300} $(BIN)/python tools/bench_mutations.py

docs: setup ## build the site into _docs/ (needs Quarto)
	@bash tools/docs.sh

docs-check: setup ## check pages, links, titles, outputs and alt texts (no Quarto)
	@$(BIN)/python tools/docs_check.py
	@$(BIN)/python tools/docs_pages.py --check

lab: setup ## open JupyterLab at the first page
	@if [ "$$(id -u)" = 0 ]; then echo "make lab: you are root, which JupyterLab refuses unless told otherwise; telling it (--allow-root)."; fi
	@cd nbs && ../$(BIN)/jupyter lab --config=../tools/jupyter_config.py $$([ "$$(id -u)" = 0 ] && echo --allow-root) index.ipynb

export: setup ## write scsmd_nb/ from the notebooks, and the page of all functions
	@$(BIN)/nbdev_export && $(BIN)/python tools/docs_index.py && echo "exported to scsmd_nb/"

readme: setup ## write README.md from nbs/index.ipynb
	@$(BIN)/python tools/readme.py

notebooks: setup ## run the changed notebooks again and store their outputs, cleaned
	@$(BIN)/python tools/run_notebooks.py $(NB)

lock: ## resolve settings.ini into requirements.lock
	@bash tools/lock.sh

clean: ## remove what was built (demo/, _docs/, _proc/, caches), keep .venv
	@rm -rf demo _docs _proc build dist *.egg-info .pytest_cache .hypothesis nbs/nbdev.yml nbs/sidebar.yml
	@find nbs scsmd_nb tests tools \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +
	@echo "removed demo/, _docs/, _proc/ and caches; .venv stays (make distclean removes it too)"

distclean: clean ## clean, and remove .venv
	@rm -rf $(VENV)
