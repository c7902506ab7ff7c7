# Everything here works on a machine with Python >= 3.11, make and git; the rest is installed into .venv from the locks.

# The newest there is: 3.13 takes less of the processor than 3.11 (docs/performance.md).
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
AGENTS := .build/agents
PIP := $(BIN)/python -m pip install --disable-pip-version-check --require-hashes --progress-bar off
# One worker more than there are cores: many tests wait for something.
PYTEST := $(BIN)/python -m pytest -q -n $(shell expr $$(nproc 2>/dev/null || echo 2) + 1) --dist worksteal

# Install a requirements file: on a terminal one line that tells what is being fetched, elsewhere nothing but errors.
install = rm -f $(VENV)/.installed; \
	{ $(PIP) -r $(1) && touch $(VENV)/.installed; } | while read -r verb what size; do \
		if [ -t 1 ] && [ "$$verb" = Downloading ]; then printf '\r\033[K  %s %s' "$${what%%-cp*}" "$$size"; fi; \
	done; \
	if [ -t 1 ]; then printf '\r\033[K'; fi; \
	test -e $(VENV)/.installed || { echo "That failed, for the reason above."; exit 1; }

.PHONY: serve test test-long agents lint types bench lock clean wheel

serve: $(VENV)/.serve  ## start Antiphon on 127.0.0.1:8000 with its local model
	@exec $(BIN)/antiphon serve $(ARGS)

test: lint types  ## what CI runs
	$(PYTEST) -m "not long"

test-long: lint types $(AGENTS)/.python  ## the full figures: fuzz, crash, agents, and everything else
	ANTIPHON_FUZZ_N=1000000 $(PYTEST) -n 2 --timeout=3600

agents: $(VENV)/.test $(AGENTS)/.python  ## real agents through every wire format; renews the table in docs/quality.md
	@failed=0; $(PYTEST) -n 2 --junitxml=$(AGENTS)/results.xml tests/agents || failed=1; \
		$(BIN)/python -m tests.agents.table $(AGENTS)/results.xml && exit $$failed

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: $(VENV)/.test
	$(BIN)/mypy

bench: $(VENV)/.test  ## CPU, latency and memory of the gateway beside the floor; see docs/performance.md
	$(BIN)/python bench/run.py $(ARGS)

wheel: | $(VENV)/bin/python  ## build dist/*.whl
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

lock:  ## renew the hashed requirement files (needs uv)
	uv pip compile -q --upgrade --generate-hashes --no-emit-index-url --universal --python-version 3.11 --no-header \
		pyproject.toml --extra local --extra postgres --extra search -o requirements/serve.txt
	uv pip compile -q --generate-hashes --no-emit-index-url --universal --python-version 3.11 --no-header \
		-c requirements/serve.txt pyproject.toml --all-extras --group test -o requirements/test.txt
	uv pip compile -q --upgrade --generate-hashes --no-emit-index-url --universal --python-version 3.11 --no-header \
		--group pyproject.toml:agents -o requirements/agents.txt

clean:
	rm -rf $(VENV) .build dist .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Antiphon needs Python 3.11 or newer with its venv module (Debian, Ubuntu: python3-venv)."; exit 1; }
	@echo "Making an environment in $(VENV) with $(PYTHON) ..."
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.serve: requirements/serve.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing what Antiphon needs, once (90 MB) ..."
	@$(call install,requirements/serve.txt)
	@$(MAKE) --no-print-directory --silent $(BIN)/antiphon
	@touch $@

$(VENV)/.test: requirements/test.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing what the tests need, once ..."
	@$(call install,requirements/test.txt)
	@$(MAKE) --no-print-directory --silent $(BIN)/antiphon
	@touch $@

# The frameworks that are only here to be clients; the command lines are fetched by their tests.
$(AGENTS)/.python: requirements/agents.txt | $(VENV)/bin/python
	@echo "Installing the agents' frameworks, once ..."
	@mkdir -p $(AGENTS) && $(BIN)/python -m venv --clear $(AGENTS)/python
	@$(AGENTS)/python/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r $<
	@touch $@

# The source tree itself, importable, without a build step.
$(BIN)/antiphon:
	@echo "$(CURDIR)/src" > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/antiphon-tree.pth"
	@printf '#!%s\nimport sys\nfrom antiphon.cli import main\nsys.exit(main())\n' "$(CURDIR)/$(BIN)/python" > $@
	@chmod +x $@
