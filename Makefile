# Two commands: `make demo` runs the main job, `make test` passes the tests. `make up` is the stack for own files.
# The first that runs, since one of pyenv's shims may lead to nothing; local/environment.py makes do with any python3.
PYTHON ?= $(shell for name in python3.11 python3.12 python3; do $$name -c "" > /dev/null 2>&1 && command -v $$name && break; done)
RUN = .venv/bin/python -W ignore::FutureWarning
PROCESSES = $$(($$(nproc) + 1))# of tests, which often wait
unexport PYTHONDONTWRITEBYTECODE # what is installed is compiled when first imported, and only once

COMPILE = UV_FIND_LINKS="$$PIP_FIND_LINKS" .venv/bin/uv pip compile --quiet --no-config --generate-hashes --custom-compile-command "make lock" \
	--python-version 3.11 --python-platform x86_64-manylinux_2_28 --constraint constraints.txt --output-file

# Children of a test process are forked from it where sets have the same order in both: worker/child_server.py
PYTEST = PYTHONHASHSEED=0 $(RUN) -m pytest -n $(PROCESSES) --maxprocesses 4 --dist loadscope --no-loadscope-reorder

.PHONY: help demo test test-all chaos up lint schemas lock image-test environment clean

help: ## say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

demo: environment ## drop the examples into a local stack and show what comes back
	@$(RUN) -m local.demo $(ARGS)

up: environment ## run the local stack in the foreground, for your own files, until Ctrl-C
	@exec $(RUN) -m local.up $(ARGS)

test: lint ## all checks and all tests
	$(PYTEST) $(ARGS)

test-all: lint ## the same, and what takes longer: tests of the benchmarks, and of more inputs
	$(PYTEST) --all $(ARGS)

chaos: environment ## break everything that can break, and look at what is left
	$(RUN) -m pytest tests/chaos --whole -q --no-header $(ARGS)

lint: environment ## format, lint, types, import rules
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/mypy .
	.venv/bin/lint-imports

schemas: environment ## write what is made from the models: schemas/v1/, docs/lifecycle.md, docs/settings.md, docs/command.md
	@$(RUN) -m tools.json_schemas
	@$(RUN) -m tools.openapi > schemas/v1/service.openapi.json
	@$(RUN) -m tools.lifecycle_page > docs/lifecycle.md
	@$(RUN) -m tools.settings_page > docs/settings.md
	@$(RUN) -m tools.topology_page > docs/topology.md
	@$(RUN) -m tools.command_page > docs/command.md

lock: environment ## write constraints.txt, for each Python that will do, and what the image installs
	@$(RUN) -m tools.lock
	@$(COMPILE) worker/requirements.cuda.lock worker/requirements.txt worker/requirements.cuda.txt \
		--override worker/requirements.cuda.txt
	@$(COMPILE) worker/requirements.cpu.lock worker/requirements.txt

image-test: environment ## build the worker's image with the small model and run it: see docs/image.md
	$(RUN) -m pytest tests/image $(ARGS)

environment: # the virtual environment of every target
	@test -n "$(PYTHON)" || { echo "dropfold needs Python 3: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) local/environment.py

clean: ## remove what the targets made in this folder
	rm -rf .venv .local .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
