# `make` lists what there is. Everything runs in .venv, which is made from the requirement files' exact pins.

STACK ?= dev
CODE := $(foreach part,infra provisioning ops policy scripts sandbox rehearsal tests benchmarks,$(if $(wildcard $(part)/*.py),$(part)))
CODE += $(wildcard __main__.py)

# The stamps carry the requirement files' checksums: what is installed always is what they say.
PIN = $(word 1,$(shell cat $(1) | cksum))
RUNTIME := .venv/.runtime-$(call PIN,requirements.txt)
DEV := .venv/.dev-$(call PIN,requirements.txt requirements-ops.txt requirements-dev.txt)
PIP := .venv/bin/python -m pip --quiet --disable-pip-version-check install -r

.DEFAULT_GOAL := help
.PHONY: help venv preview cli test lint types unit fmt gpu docs sandbox sandbox-down machine good-path day-two rehearse clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-13s %s\n", $$1, $$2}' Makefile

venv: $(DEV) ## .venv with everything that the targets below need

preview: $(RUNTIME) ## what `pulumi up` would make: [STACK=dev] [AGAINST=git revision] [JSON=1]
	@.venv/bin/python -m ops preview --stack '$(STACK)' $(if $(AGAINST),--against '$(AGAINST)') $(if $(JSON),--json)

cli: $(DEV) ## the Pulumi CLI, found or built once: with it `make test` runs the engine too
	@.venv/bin/python -m scripts.ci.cli

test: lint types unit ## everything that CI checks; needs neither root nor a cloud account

lint: $(DEV) ## formatting and lint rules, of Python, shell scripts and workflows
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/shellcheck $$(git grep -lE '^#!/(usr/)?bin/(env )?(ba)?sh' -- ':!*.py' ':!*.md')
	.venv/bin/zizmor --offline --no-progress --quiet .github

types: $(DEV) ## mypy, strict
	.venv/bin/mypy $(CODE)

unit: $(DEV) ## the tests, with the share of the code that they run
	.venv/bin/python -m pytest -q -n auto --dist loadfile --cov --cov-report=term:skip-covered

fmt: $(DEV) ## format, and mend what ruff can mend
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

sandbox: $(DEV) ## `pulumi up` for real, on this machine (Linux, root)
	@.venv/bin/python -m ops sandbox up

sandbox-down: $(DEV) ## take the sandbox down, and what it made
	@.venv/bin/python -m ops sandbox down

machine: $(DEV) ## the sandbox's machines by themselves: power, disks, two sandboxes side by side, Ctrl-C (Linux, root)
	@.venv/bin/python -m pytest -q -m machine tests/machine

good-path: $(DEV) ## the sandbox's own test: up, all that a person does first, up again, destroy (Linux, root)
	@.venv/bin/python -m pytest -q -m sandbox tests/sandbox/test_good_path.py

day-two: $(DEV) ## changes, failing and interrupted releases, restores, through real ups (Linux, root)
	@.venv/bin/python -m pytest -q -m sandbox tests/sandbox/test_day_two.py

gpu: $(DEV) ## the box's own questions to a real GPU: OLLAMA=DIR of an unpacked Ollama release (Linux, root, NVIDIA)
	@OLLAMA='$(OLLAMA)' .venv/bin/python -m pytest -q -m gpu tests/gpu

docs: $(DEV) ## write the documents that are made from the code
	@.venv/bin/python -m scripts.docs

rehearse: $(DEV) ## the scenarios, good and bad, on the sandbox: [ALL=1] (Linux, root)
	@.venv/bin/python -m ops rehearse $(if $(ALL),--all)

clean: ## remove .venv and all caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@for python in python3 python3.13 python3.12 python3.11 python3.14; do \
		if $$python -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			exec $$python -m venv .venv; \
		fi; \
	done; \
	echo 'make needs Python 3.11 or newer with its venv module; found: '"$$(python3 --version 2>&1)" >&2; \
	echo 'fix: install one, for instance with: apt-get install python3.11 python3.11-venv' >&2; \
	exit 1

$(RUNTIME): | .venv/bin/python
	@echo 'installing requirements.txt into .venv' >&2
	@$(PIP) requirements.txt >&2
	@touch $@

$(DEV): | .venv/bin/python
	@echo 'installing requirements-dev.txt into .venv' >&2
	@$(PIP) requirements-dev.txt >&2
	@touch $@ $(RUNTIME)
