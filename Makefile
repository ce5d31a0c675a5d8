# Everything runs in .venv; `make run` and `make test` set it up from a bare Python 3.11 to 3.13.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DATA ?= ../shared/data

.DEFAULT_GOAL := help
.PHONY: help install run finetune train-images test quick bench figures chaos docs format clean

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "Gemel needs Python 3.11 to 3.13; name one: make PYTHON=python3.12 …"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(STAMP)

install: $(STAMP) ## Create .venv and install what constraints.txt pins

run: $(STAMP) ## Write the bundled sample and run the nightly flow on it
	$(BIN)/python -m pipeline.sample .gemel/sample-data
	$(BIN)/gemel run configs/sample.yaml

finetune: $(STAMP) ## Fine-tune on the sample's labels and run again
	$(BIN)/python -m pipeline.sample .gemel/sample-data
	$(BIN)/gemel finetune configs/finetune.yaml
	$(BIN)/gemel run configs/sample.yaml

train-images: $(STAMP) ## Make the shipped image encoder again, on the photographs in DATA (75 minutes)
	$(BIN)/python tests/bench/pictures/train_images.py --data $(DATA) --out build/copies

test: $(STAMP) ## Lint, layers, types and every test (about 10 minutes on 2 cores)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

quick: $(STAMP) ## The tests to run between two edits: all but the slow ones (about 90 seconds)
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not slow"

bench: $(STAMP) ## Gemel beside its peers on the sets in DATA; BENCH=--quick: under 5 minutes
	$(BIN)/python tests/bench/bench.py --data $(DATA) $(BENCH)

figures: $(STAMP) ## The other figures of tests/bench/README.md, on the sets in the folder DATA
	$(BIN)/python tests/bench/real_data.py --data $(DATA)
	$(BIN)/python tests/bench/size/million.py --data $(DATA)
	$(BIN)/python tests/bench/size/self_join.py --data $(DATA) --rows 300000 1000000
	$(BIN)/python tests/bench/size/dense_groups.py
	$(BIN)/python tests/bench/size/clustering.py
	$(BIN)/python tests/bench/pictures/pictures.py --data $(DATA)
	$(BIN)/python tests/bench/pictures/copy_detection.py --data $(DATA)
	$(BIN)/python tests/bench/pictures/edited_photographs.py --data $(DATA)
	$(BIN)/python tests/bench/pictures/scenes.py --data $(DATA)
	$(BIN)/python tests/bench/pictures/wallpapers.py --data $(DATA)
	$(BIN)/python tests/bench/pictures/labelled_pictures.py --data $(DATA)
	$(BIN)/python tests/bench/nights/nights.py --data $(DATA)
	$(BIN)/python tests/bench/nights/thirty_nights.py --data $(DATA)
	$(BIN)/python tests/bench/nights/two_starts.py --tries 50
	$(BIN)/python tests/bench/texts/without_labels.py --data $(DATA)
	$(BIN)/python tests/bench/texts/peers_without_labels.py --data $(DATA)
	$(BIN)/python tests/bench/texts/minimal_pairs.py --data $(DATA)
	$(BIN)/python tests/bench/texts/feed.py --data $(DATA)
	$(BIN)/python tests/bench/training/finetune.py --data $(DATA)
	$(BIN)/python tests/bench/training/distillation.py --data $(DATA)
	$(BIN)/python tests/bench/training/training_throughput.py
	$(BIN)/python tests/bench/training/fit_text_judge.py --data $(DATA) --seeds 3 \
		--without-each build/judges/without

chaos: $(STAMP) ## Kill runs, fill disks and break files: last night's result stays, the next run ends
	$(BIN)/python tests/bench/nights/chaos.py --kills 64 --errors 30 --full 10

docs: $(STAMP) ## Write the tables of the README pages that are made from the code
	$(BIN)/python -m tests.docs

format: $(STAMP) ## Format the code
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

clean: ## Remove the environment and everything the sample wrote
	rm -rf $(VENV) .gemel build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
