# `make demo` and `make test` do all their own set-up; see README.md.
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
TESTERS := 0
unexport PYTHONDONTWRITEBYTECODE # else each program that the tests start compiles the package anew

.PHONY: help demo test check lint format fixtures clean
help:
	@echo "make demo    set up and run the main job on two sample calls (make demo FAST=1: faster than real time)"
	@echo "make test    set up and run the whole test suite (make test TESTERS=2: in two processes, quicker; tests that go by the clock may fail for it)"
	@echo "make check   the developer's loop: ruff, mypy, import-linter, pytest without the slow tests"

demo: $(VENV)/.demo
	@$(BIN)/voicepipe models pull
	@$(BIN)/voicepipe demo $(if $(FAST),--fast)

test: $(VENV)/.dev
	@$(BIN)/voicepipe models pull
	$(BIN)/pytest --numprocesses $(TESTERS) --dist worksteal $(PYTEST_ARGS)

check: lint
	$(BIN)/pytest -m "not slow"

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

fixtures: $(VENV)/.dev
	$(BIN)/python scripts/make_fixtures.py

$(VENV)/.demo: pyproject.toml scripts/setup
	scripts/setup $(VENV) demo
	@touch $@

$(VENV)/.dev: pyproject.toml scripts/setup
	scripts/setup $(VENV) dev
	@touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
