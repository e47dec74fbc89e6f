# Every target installs what it needs first; the stamps in .venv say what has been installed.

PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help install run demo test check reliability bench

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

install: .venv/for-run ## install the dashboard into .venv

run: .venv/for-run ## run the dashboard on your own cluster (CELERY_BROKER_URL, PROMETHEUS_URL)
	@$(BIN)/streamlit run dashboard.py

demo: .venv/for-demo ## start a real Celery cluster with traffic, and the dashboard on it
	@$(BIN)/python -m demo

test: .venv/for-test ## run all tests
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

check: .venv/for-check ## lint, formatting, types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy .

reliability: .venv/for-test ## kill, flood and cut off the recorder, break notebooks and links, and print what was counted
	@$(BIN)/python -m tests.reliability

bench: .venv/for-bench ## measure against the peers, into benchmarks/results.json
	@$(BIN)/python -m benchmarks

.venv/for-run: requirements.txt
.venv/for-demo: requirements.txt demo/requirements.txt
.venv/for-check .venv/for-test: requirements.txt demo/requirements.txt requirements-dev.txt
.venv/for-bench: requirements.txt demo/requirements.txt requirements-dev.txt benchmarks/requirements.txt
.venv/for-%: demo/install.py
	@command -v $(PYTHON) >/dev/null || { echo "Install Python 3.11 or newer, then run make again."; exit 1; }
	@$(PYTHON) demo/install.py $*
	@touch $@
