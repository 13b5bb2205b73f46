# AI Data Labs. `make` alone prints what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help

export AIDATALABS_HOME ?= $(CURDIR)/.aidatalabs

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# The set that answers are developed against; tests/questions/fresh is scored once.
PACK ?= tests/questions/development
MODEL ?= offline
# Node 20 makes gen/typescript and tests the TypeScript client; nothing else needs it.
NODE := $(shell node -e 'process.exit(process.versions.node.split(".")[0] < 20 ? 1 : 0)' 2>/dev/null && echo yes)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock

##@ Run
run: .venv/run.stamp ## everything: dependencies, the local mesh, demo data and one answered question, until Ctrl-C
	@$(BIN)/aidatalabs up

up: .venv/run.stamp ## the same mesh in the background; returns when every service is SERVING
	@$(BIN)/aidatalabs up --detach

down: .venv/run.stamp ## stop it
	@$(BIN)/aidatalabs down

##@ Check
test: .venv/dev.stamp ## all tests, in three processes
	@$(BIN)/pytest -n 3 --no-loadscope-reorder

check: lint types gen-fresh test ## format, lint, import rules, types, fresh gen/, then all tests

lint: .venv/dev.stamp third-party ## ruff, buf, import rules
	@$(BIN)/ruff format --check --quiet . || { echo "run: $(BIN)/ruff format ."; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/buf format --exit-code --diff proto
	@$(BIN)/buf lint
	@$(BIN)/lint-imports

types: .venv/dev.stamp ## mypy --strict
	@$(BIN)/mypy

gen-fresh: .venv/dev.stamp $(if $(NODE),node) ## fails when gen/ is not what proto/ makes
	@$(BIN)/python proto/generate.py --check 2>/dev/null && $(BIN)/python clients/python/generate_client.py --check

bench: .venv/dev.stamp ## benchmarks; ONLY=name ROWS=n choose
	@$(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY)) $(if $(ROWS),--rows $(ROWS))

eval: .venv/dev.stamp ## accuracy, refusals and times of the answers to a question pack; PACK=dir MODEL=name choose
	@mkdir -p dist/eval && $(BIN)/aidatalabs eval $(PACK) --out dist/eval/answers.jsonl --model $(MODEL)
	@$(BIN)/python -m tests.questions $(PACK) dist/eval/answers.jsonl --failures dist/eval/failures.jsonl

soak: .venv/dev.stamp ## long fault and fuzz runs
	@$(BIN)/pytest -m soak

##@ Work on it
setup: .venv/dev.stamp ## .venv with everything a developer needs

node: clients/typescript/node_modules/.stamp ## libraries of the TypeScript client; needs Node 20

gen: .venv/dev.stamp $(if $(NODE),node) ## regenerate gen/ from proto/
	@$(BIN)/python proto/generate.py 2>/dev/null && $(BIN)/python clients/python/generate_client.py

docs: .venv/dev.stamp ## regenerate docs/reference/ from the code
	@$(BIN)/python -m docs.generator

format: .venv/dev.stamp ## format Python and proto files
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --quiet --fix . ; $(BIN)/buf format -w proto

lock: .venv/dev.stamp ## renew requirements.lock from pyproject.toml
	@$(BIN)/python -m pip install --quiet uv
	@{ head -1 requirements.lock; $(BIN)/uv pip compile --quiet --no-header --no-annotate --no-emit-index-url \
		--python-version 3.11 --extra dev pyproject.toml; } > requirements.lock.new && mv requirements.lock.new requirements.lock

clean: ## remove .venv and caches; data in $AIDATALABS_HOME stays
	rm -rf clients/typescript/{node_modules,dist,build}
	rm -rf .venv .third_party .mypy_cache .ruff_cache .pytest_cache .hypothesis

help: ## this list
	@awk 'BEGIN {FS = ":.*## "} \
		/^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

third-party: .venv/dev.stamp
	@test -d .third_party || $(BIN)/python proto/generate.py --third-party

clients/typescript/node_modules/.stamp: clients/typescript/package.json clients/typescript/package-lock.json
	@test -n "$(NODE)" || { echo "Node 20 is needed"; exit 1; }
	@cd clients/typescript && npm ci --silent --no-audit --no-fund
	@touch $@

.venv/pip.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
		{ echo "Python 3.11 is needed: apt-get install python3.11 python3.11-venv"; exit 1; }
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/run.stamp: .venv/pip.stamp pyproject.toml requirements.lock
	@echo "installing dependencies into .venv …"
	@$(PIP) --editable .
	@touch $@

.venv/dev.stamp: .venv/run.stamp
	@echo "installing development tools into .venv …"
	@$(PIP) --editable '.[dev]'
	@touch $@

.PHONY: run up down test check lint types gen-fresh bench eval soak setup node gen docs format lock clean help third-party
