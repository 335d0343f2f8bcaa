# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors

PYTHON ?= python3
VENV := .venv
# Targets below the checkout have relative names; an absolute name means the same one.
override VENV := $(patsubst $(CURDIR)/%,%,$(VENV))
BIN := $(VENV)/bin
NODE := .cache/node
# Another release of ansible-core than the pinned one, in a virtual environment of its own: make CORE=2.21 VENV=.venv-2.21 unit
CORE :=
CONSTRAINTS := $(if $(CORE),$(VENV)/constraints.txt,tests/constraints.txt)
COLLECTION := .collections/ansible_collections/nomos/cockroach_migrator
DOCSITE := .cache/docsite
# What is written by hand, or at least read by somebody who follows its links.
MARKDOWN = $(filter-out CHANGELOG.md,$(wildcard *.md docs/*.md roles/*/README.md tests/*.md .github/*.md))
# PostgreSQL refuses to run as root, so that an unprivileged user has to be able to reach the demo.
DEMO_DIR := $(shell if [ "$$(id -u)" != 0 ] || setpriv --reuid=nobody --clear-groups test -x '$(CURDIR)'; then echo '$(CURDIR)/.demo'; else echo /var/tmp/cockroach_migrator-demo; fi)
MOLECULE_DIR := $(DEMO_DIR)-molecule
# Tests run in an order of chance, which a seed repeats: make unit SEED=1
SEED := $(or $(SEED),$(shell date +%s))
# More options of pytest: make unit ARGS='-k manifest -x'
ARGS :=
PYTEST := pytest -q -n 2 --dist worksteal -rs -p randomly --randomly-seed=$(SEED)

export PATH := $(abspath $(BIN)):$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/.collections
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo demo-stop test system-packages lint unit sanity molecule integration secrets rights shared fuzz bench bench-scale faults docs generated docsite archive clean
.PHONY: lint-ruff lint-mypy lint-imports lint-ansible lint-docs lint-generated lint-links
.DEFAULT_GOAL := demo

# The absolute names of the same targets.
$(CURDIR)/%: % ;

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.x" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/constraints.txt: tests/constraints.txt | $(BIN)/python
	sed 's/^ansible-core==.*/ansible-core==$(CORE).*/' $< > $@

$(VENV)/.demo-installed: requirements.txt tests/requirements-demo.txt $(CONSTRAINTS) | $(BIN)/python
	$(BIN)/pip install --quiet --requirement tests/requirements-demo.txt --constraint $(CONSTRAINTS)
	@touch $@

$(VENV)/.test-installed: tests/requirements.txt $(VENV)/.demo-installed
	$(BIN)/pip install --quiet --requirement tests/requirements.txt --constraint $(CONSTRAINTS)
	@touch $@

# Runs from a checkout find the collection through this link.
$(COLLECTION):
	@mkdir -p $(@D)
	@ln -sfn ../../.. $@

demo: $(VENV)/.demo-installed $(COLLECTION)
	ansible-playbook playbooks/demo.yml -e demo_directory=$(DEMO_DIR)
	ansible-playbook migrate.yml -e @$(DEMO_DIR)/vars.yml
	@echo
	@echo "The report:            $$(ls $(DEMO_DIR)/cockroach_migrator-*/report/validation_report.txt)"
	@echo "Look at the data with: $(DEMO_DIR)/psql    (for example: $(DEMO_DIR)/psql -c 'SELECT * FROM customers LIMIT 5')"
	@echo "Stop the servers with: make demo-stop"

# Without the virtual environment, so that nothing is left running when it is broken.
demo-stop:
	$(PYTHON) playbooks/files/demo_stop.py $(DEMO_DIR) $(MOLECULE_DIR)

# What mostly waits for one process runs beside its like; the others use both cores themselves.
test: $(VENV)/.test-installed $(COLLECTION)
	$(MAKE) --jobs=2 --output-sync=target lint sanity molecule
	$(MAKE) SEED=$(SEED) unit
	$(MAKE) SEED=$(SEED) integration

# PostGIS for the installed PostgreSQL, as root on Debian: without it the tests that need it are skipped. No server is set up or started.
system-packages:
	mkdir -p /etc/postgresql-common
	test -e /etc/postgresql-common/createcluster.conf || echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends postgresql-postgis

# .pre-commit-config.yaml runs the same targets.
lint: lint-ruff lint-mypy lint-imports lint-ansible lint-docs lint-generated lint-links

lint-ruff: $(VENV)/.test-installed
	ruff check .
	ruff format --check .

lint-mypy: $(VENV)/.test-installed $(COLLECTION)
	mypy

# The contracts are in pyproject.toml.
lint-imports: $(VENV)/.test-installed $(COLLECTION)
	PYTHONPATH=.collections lint-imports --no-cache

lint-ansible: $(VENV)/.test-installed $(COLLECTION)
	ansible-lint --profile production --offline

lint-docs: $(VENV)/.test-installed $(COLLECTION)
	antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck $(COLLECTION)
	antsibull-changelog lint

lint-generated: $(VENV)/.demo-installed $(COLLECTION)
	$(BIN)/python tools/generate.py --check

# Links to files and headings, without the network.
lint-links: | $(NODE)/.installed
	@if test -e $(NODE)/.installed; then $(NODE)/node_modules/.bin/remark --no-config --no-stdout --frail --quiet \
		--use $(CURDIR)/$(NODE)/node_modules/remark-validate-links/index.js=repository:false $(MARKDOWN); fi

unit: $(VENV)/.test-installed $(COLLECTION)
	$(PYTEST) $(ARGS) tests/unit

sanity: $(VENV)/.test-installed
	VENV=$(abspath $(VENV)) tests/run_ansible_test.sh sanity --local --python $$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')

# Hosts that ran are asserted in verify.yml: molecule passes without any.
molecule: export MOLECULE_DEMO_DIRECTORY := $(MOLECULE_DIR)
molecule: export MOLECULE_EPHEMERAL_DIRECTORY := $(MOLECULE_DIR)/ephemeral
molecule: export MOLECULE_GLOB := molecule/*/molecule.yml
molecule: $(VENV)/.test-installed $(COLLECTION)
	rm -rf $(MOLECULE_DIR)
	molecule -c molecule/config.yml test --all
	rm -rf $(MOLECULE_DIR)

integration: $(VENV)/.test-installed $(COLLECTION) | $(NODE)/.installed
	$(PYTEST) $(ARGS) tests/integration

# Only the tests that look for secrets and at the modes of files; `make test` has them too. docs/security.md says what they look at.
SECRETS := tests/integration/test_secrets.py tests/unit/dump/test_encrypted_dump.py \
	$(addprefix tests/unit/modules/test_,secret_options.py secrets_of_locations.py file_modes.py)
secrets: $(VENV)/.test-installed $(COLLECTION)
	$(PYTEST) $(ARGS) $(SECRETS)

# Only the tests of the rights that docs/security.md says are enough, and of each one that is missing; `make test` has them too.
RIGHTS := tests/integration/test_least_rights.py tests/integration/test_rights_of_reading.py
rights: $(VENV)/.test-installed $(COLLECTION) | $(NODE)/.installed
	$(PYTEST) $(ARGS) $(RIGHTS)

# Only the tests with the large fixtures, which developers and CI have beside the checkout; `make test` has them too where they are.
shared: $(VENV)/.test-installed $(COLLECTION) | $(NODE)/.installed
	$(PYTEST) -m shared $(ARGS) tests/unit tests/integration

# Changed input for everything that reads what others wrote, SECONDS for each reader; the cases that it finds are below .cache/fuzz.
fuzz: $(VENV)/.test-installed $(COLLECTION)
	$(BIN)/python tests/fuzzing/fuzz.py --seconds $(or $(SECONDS),60) --seed $(SEED) --found .cache/fuzz

# Tools from the npm registry: a second S3 server for the tests, one that refuses wrong keys, Azure's own stand-in for its Blob Storage, and
# the check of links. Azurite 3.33 is the last one without telemetry, whose libraries would be 250 MB more.
# Without npm what needs them is skipped, saying so.
$(NODE)/.installed:
	@if command -v npm > /dev/null; then \
		npm install --silent --no-audit --no-fund --prefix $(NODE) s3rver@3.7.1 azurite@3.33.0 remark-cli@12.0.1 remark-validate-links@13.1.0 && touch $@; \
	else echo "npm is missing: links are not checked, and the tests with s3rver and Azurite are skipped"; fi

# Each prints Markdown; with WRITE=--write it replaces the tables in docs/performance.md, too.
bench: $(VENV)/.test-installed $(COLLECTION)
	$(BIN)/python tests/benchmark/benchmarks.py bench $(WRITE)

bench-scale: $(VENV)/.test-installed $(COLLECTION) | $(NODE)/.installed
	$(BIN)/python tests/benchmark/benchmarks.py bench-scale $(WRITE)

# Kills and other faults in migrations, each then completed and compared with the truth; with WRITE=--write the table in docs/evidence.md is replaced.
# make faults KILLS=50 SEED=1; full disks need root.
KILLS := 50
faults: $(VENV)/.test-installed $(COLLECTION)
	$(BIN)/python tests/faults/faults.py --kills $(KILLS) --seed $(SEED) $(WRITE)

docs: generated docsite

# The tables, samples and pages that are made from the code.
generated: $(VENV)/.demo-installed $(COLLECTION)
	$(BIN)/python tools/generate.py

# The pages and the reference of modules, roles and filters as one site.
docsite: $(VENV)/.test-installed $(COLLECTION)
	rm -rf $(DOCSITE)
	mkdir -p -m 755 $(DOCSITE)/source/reference
	antsibull-docs collection --use-current --squash-hierarchy --fail-on-error --dest-dir $(DOCSITE)/source/reference nomos.cockroach_migrator
	cp -R tools/docsite/index.rst *.md docs $(DOCSITE)/source
	sphinx-build --quiet --fail-on-warning -c tools/docsite $(DOCSITE)/source $(DOCSITE)/html
	@echo "The site: $(DOCSITE)/html/index.html"

# What ansible-galaxy installs and Galaxy takes.
archive: $(VENV)/.demo-installed
	ansible-galaxy collection build --force --output-path .cache/archive

clean: demo-stop
	rm -rf $(DEMO_DIR) $(MOLECULE_DIR) $(VENV) .cache .collections .pytest_cache .mypy_cache .ruff_cache .ansible
