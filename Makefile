# Every target sets up .venv by itself. More values for a command: make train ARGS="model=linear seed=2"
PYTHON ?= python3
MLRUNS ?= mlruns
PORT ?= 5000
SERVE_PORT ?= 5001
EXPERIMENT ?= digits
ARGS ?=
RECORD ?=
RUN := .venv/bin/python
READY := .venv/.ready
# kept even where the environment says not to: the tests start hundreds of processes
export PYTHONDONTWRITEBYTECODE :=
QUICK := not slow and not cluster and not docs
TWO := -n 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup train sweep compare explore app serve debian test test-long coverage test-docs test-cluster faults check format bench results ui demo clean

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY) ## make .venv with the tested versions of everything

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv .venv
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

train: $(READY) ## train the default model on MNIST, tracked
	$(RUN) -m src.train $(ARGS)

sweep: $(READY) ## search until validation accuracy 0.95 is reached, on all cores
	$(RUN) -m src.sweep sweep=dnn executor=processes $(ARGS)

compare: $(READY) ## say which model is better, and how sure that is
	$(RUN) -m src.compare $(ARGS)

explore: $(READY) ## look at the data before any model
	$(RUN) -m src.explore $(ARGS)

ui: $(READY) ## open the tracked runs in the MLflow UI
	@exec $(RUN) -m src.ui "tracking.folder='$(MLRUNS)'" port=$(PORT)

DEMO := "tracking.folder='$(MLRUNS)/demo'"

demo: $(READY) ## make a store of 30 runs to look at, a few minutes, and open it in the UI
	@test -e "$(MLRUNS)/demo/done" || { rm -rf "$(MLRUNS)/demo" && \
	$(RUN) -m src.train -m model=linear,dnn trainer.max_epochs=3 seed=1,2,3 $(DEMO) && \
	$(RUN) -m src.sweep sweep=dnn target=null n_trials=16 confirm.seeds=2 trainer.max_epochs=3 \
	executor=processes $(DEMO) && \
	$(RUN) -m src.compare $(DEMO) && touch "$(MLRUNS)/demo/done"; }
	@exec $(RUN) -m src.ui $(DEMO) port=$(PORT)

app: $(READY) ## open a page to draw a digit on
	$(RUN) -m src.app $(ARGS)

serve: $(READY) ## answer over HTTP with the champion, MLflow's own scoring server
	@test -f "$(MLRUNS)/mlflow.db" || { echo "nothing tracked in $(MLRUNS) yet: make train first"; exit 2; }
	@echo "the champion of $(EXPERIMENT) answers at http://127.0.0.1:$(SERVE_PORT)/invocations (end with Ctrl-C)"
	@store=$$($(RUN) -c 'import sys, pathlib, src.tracking.database as d; print(d.address_of(pathlib.Path(sys.argv[1]).resolve()))' \
	"$(MLRUNS)/mlflow.db") && \
	PATH="$(CURDIR)/.venv/bin:$$PATH" MLFLOW_DISABLE_TELEMETRY=true MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR=false \
	MLFLOW_TRACKING_URI="$$store" MLFLOW_REGISTRY_URI="$$store" \
	.venv/bin/mlflow models serve -m models:/$(EXPERIMENT)@champion --env-manager local \
	--host 127.0.0.1 --port $(SERVE_PORT) --workers 1 \
	|| { echo "if there is no champion yet, promote a run first"; exit 2; }

debian: ## install Chromium and PostgreSQL, which tests use, where they are missing and may be
	@{ command -v chromium && ls /usr/lib/postgresql/*/bin/initdb; } >/dev/null 2>&1 \
	|| { command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && apt-get update -qq \
	&& apt-get install -y -qq --no-install-recommends chromium postgresql >/dev/null; } \
	|| echo "Chromium or PostgreSQL is missing: their tests will be left out (apt-get install chromium postgresql)"

test: $(READY) ## run the tests (fast ones)
	$(RUN) -m pytest -m "$(QUICK) and not long" $(TWO) $(ARGS)

test-long: $(READY) ## run those of several commands, servers, browsers and kills
	$(RUN) -m pytest -m "$(QUICK) and long" $(TWO) $(ARGS)

coverage: $(READY) ## run both, and list the files of src that they run less than 90 % of
	.venv/bin/coverage erase
	.venv/bin/coverage run -m pytest -m "$(QUICK)" $(TWO) $(ARGS)
	.venv/bin/coverage combine --quiet
	@.venv/bin/coverage report --sort=cover | awk 'NR < 3 || $$NF + 0 < 90 || $$1 == "TOTAL"'

test-docs: $(READY) ## run the commands of README.md and docs/tour.md as written, with quick settings
	$(RUN) -m pytest tests/documents -m docs $(TWO) $(ARGS)

test-cluster: $(READY) ## test Ray, a tracking server and PostgreSQL (five minutes)
	$(RUN) -m pip install -q -c constraints.txt -e '.[dev,ray,postgres]'
	$(RUN) -m pytest -m cluster $(TWO) $(ARGS)

faults: $(READY) ## kill, fill, lock and move things, hundreds of times (an hour)
	FUZZ=long $(RUN) -m pytest tests/faults $(ARGS)

check: $(READY) ## lint, format and types
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

format: $(READY) ## put the code into its format
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

bench: $(READY) ## measure speed, as ratios to references in the same run (15 minutes, quiet machine)
	$(RUN) -m tests.benchmarks $(ARGS)

results: $(READY) ## make the tables of docs/results.md again; RECORD=FOLDER takes up another store
	$(RUN) -m docs.record $(if $(RECORD),"record=$(RECORD)")

clean: ## remove .venv and caches; runs and downloads stay
	rm -rf .venv .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage* *.egg-info
