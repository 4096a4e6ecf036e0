# Everything here works on a fresh machine that has only Python 3.11+ and make.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PROTOS := $(shell find protos -name '*.proto')
# Two copies share nothing: another checkout, another data directory.
STORES := --database credit --database chat --redis
FREE_PORTS := --free-port credit --free-port chat --free-port gateway
PYTEST = $(PY) -m pytest -n 3 --dist loadfile --no-loadscope-reorder
LAUNCH := $(PY) -m servicekit.launcher $(STORES)
# Where it is set, each of the many processes of the tests and the demo would compile all its modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup proto run demo token grant test coverage check bench mutate format lock clean

help: ## Show this list.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | awk -F'\t' '{printf "  make %-8s %s\n", $$1, $$2}'

$(VENV)/.installed: requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Holdfast needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V). Set PYTHON=..."; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

$(VENV)/.protos: $(VENV)/.installed $(PROTOS)
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(PY) -m grpc_tools.protoc -I. --python_out=. --grpc_python_out=. --mypy_out=quiet:. --mypy_grpc_out=quiet:. $(PROTOS)
	@touch $@

setup: $(VENV)/.protos ## Make the environment and generate code from the protos (the other targets do it by themselves).

proto: setup

run: setup ## Start everything on embedded stores and keep it up until Ctrl-C.
	@exec $(LAUNCH) --greeting "$(PY) -m gateway welcome"

demo: setup ## Do the main job from upload to paid insights, show it, and stop.
	@exec $(LAUNCH) --temporary $(FREE_PORTS) --then "$(PY) -m docs.examples.demo"

token: user-given setup ## Print a bearer token for the development secret: make token USER=alice
	@$(PY) -m gateway token "$(USER)"

grant: user-given setup ## Give coins to a user of a running `make run`: make grant USER=alice COINS=500
	@$(PY) -m credit_service grant "$(USER)" "$(COINS)"

# The login shell sets USER too, and whoever left it out did not mean that account.
.PHONY: user-given
user-given:
	$(if $(subst command line,,$(origin USER)),$(error Say which user: make $(MAKECMDGOALS) USER=alice))

test: setup ## Run all tests against real PostgreSQL, Redis and processes.
	@$(PYTEST)

coverage: setup ## Run all tests and print which lines they reach (takes half as long again).
	@$(PYTEST) --cov --cov-report=term

check: setup ## Lint, types, import walls, protos.
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/buf lint
	$(VENV)/bin/buf format --diff --exit-code
	@if git rev-parse -q --verify origin/main >/dev/null; then $(VENV)/bin/buf breaking --against '.git#ref=origin/main'; fi
	$(VENV)/bin/lint-imports
	$(VENV)/bin/mypy

bench: setup ## Measure, every figure beside its baseline: make bench [ONLY=name]
	@$(PY) -m benchmarks $(if $(ONLY),--only $(ONLY))

mutate: setup ## Take each lock and guard of the ledger out, one at a time, and see a test fail (many minutes).
	@$(PY) -m tests.mutations $(ONLY)

format: setup ## Format the code and fix what can be fixed.
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .
	$(VENV)/bin/buf format -w

lock: ## Pin the dependencies again (needs uv).
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --no-emit-index-url --no-annotate --no-header -q -o requirements-dev.txt
	uv pip compile pyproject.toml --universal --python-version 3.11 --no-emit-index-url --no-annotate --no-header -q -c requirements-dev.txt -o requirements.txt

clean: ## Remove the environment, generated code, data and caches.
	rm -rf $(VENV) .holdfast .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* .import_linter_cache
	find protos -name '*_pb2*' -delete
