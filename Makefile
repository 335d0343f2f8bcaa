# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors

PYTHON ?= python3
VENV := $(CURDIR)/.venv
BIN := $(VENV)/bin
NODE := $(CURDIR)/.cache/node
# PostgreSQL refuses to run as root, so that an unprivileged user has to be able to reach the demo.
DEMO_DIR := $(shell if [ "$$(id -u)" != 0 ] || setpriv --reuid=nobody --clear-groups test -x '$(CURDIR)'; then echo '$(CURDIR)/.demo'; else echo /var/tmp/cockroach_migrator-demo; fi)
MOLECULE_DIR := $(DEMO_DIR)-molecule
# Tests run in an order of chance, which a seed repeats: make unit SEED=1
SEED ?= $(shell date +%s)
PYTEST := pytest -q -n 2 -rs -p randomly --randomly-seed=$(SEED)

export PATH := $(BIN):$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/.collections
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo demo-stop test system-packages lint unit sanity molecule integration shared bench docs clean
.DEFAULT_GOAL := demo

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.x" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo-installed: requirements.txt tests/requirements-demo.txt tests/constraints.txt | $(BIN)/python
	$(BIN)/pip install --quiet --requirement tests/requirements-demo.txt --constraint tests/constraints.txt
	@touch $@

$(VENV)/.test-installed: tests/requirements.txt $(VENV)/.demo-installed
	$(BIN)/pip install --quiet --requirement tests/requirements.txt --constraint tests/constraints.txt
	@touch $@

# Runs from a checkout find the collection through this link.
.collections/ansible_collections/nomos/cockroach_migrator:
	@mkdir -p $(@D)
	@ln -sfn ../../.. $@

demo: $(VENV)/.demo-installed .collections/ansible_collections/nomos/cockroach_migrator
	ansible-playbook playbooks/demo.yml -e demo_directory=$(DEMO_DIR)
	ansible-playbook migrate.yml -e @$(DEMO_DIR)/vars.yml
	@echo
	@echo "The report:            $$(ls $(DEMO_DIR)/cockroach_migrator-*/report/validation_report.txt)"
	@echo "Look at the data with: $(DEMO_DIR)/psql    (for example: $(DEMO_DIR)/psql -c 'SELECT * FROM customers LIMIT 5')"
	@echo "Stop the servers with: make demo-stop"

# Without the virtual environment, so that nothing is left running when it is broken.
demo-stop:
	$(PYTHON) playbooks/files/demo_stop.py $(DEMO_DIR) $(MOLECULE_DIR)

test: lint unit sanity molecule integration

# PostGIS for the installed PostgreSQL, as root on Debian: without it the tests that need it are skipped. No server is set up or started.
system-packages:
	mkdir -p /etc/postgresql-common
	test -e /etc/postgresql-common/createcluster.conf || echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends postgresql-postgis

lint: $(VENV)/.test-installed .collections/ansible_collections/nomos/cockroach_migrator
	ruff check .
	ruff format --check plugins tools playbooks
	mypy
	ansible-lint --profile production --offline
	antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck .collections/ansible_collections/nomos/cockroach_migrator
	antsibull-changelog lint
	$(BIN)/python tools/generate_docs.py --check

unit: $(VENV)/.test-installed .collections/ansible_collections/nomos/cockroach_migrator
	$(PYTEST) tests/unit

sanity: $(VENV)/.test-installed
	VENV=$(VENV) tests/run_ansible_test.sh sanity --local --python $$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')

# Hosts that ran are asserted in verify.yml: molecule passes without any.
molecule: export MOLECULE_DEMO_DIRECTORY := $(MOLECULE_DIR)
molecule: export MOLECULE_EPHEMERAL_DIRECTORY := $(MOLECULE_DIR)/ephemeral
molecule: export MOLECULE_GLOB := molecule/*/molecule.yml
molecule: $(VENV)/.test-installed .collections/ansible_collections/nomos/cockroach_migrator
	rm -rf $(MOLECULE_DIR)
	molecule -c molecule/config.yml test --all
	rm -rf $(MOLECULE_DIR)

integration: $(VENV)/.test-installed .collections/ansible_collections/nomos/cockroach_migrator | $(NODE)/node_modules/.bin/s3rver
	$(PYTEST) tests/integration

# Only the tests with the large fixtures, which developers and CI have beside the checkout; `make test` has them too where they are.
shared: $(VENV)/.test-installed .collections/ansible_collections/nomos/cockroach_migrator | $(NODE)/node_modules/.bin/s3rver
	$(PYTEST) -m shared tests/unit tests/integration

# A second S3 server for the tests, one that refuses wrong keys. Without Node its tests are skipped, saying so.
$(NODE)/node_modules/.bin/s3rver:
	@if command -v npm > /dev/null; then npm install --silent --no-audit --no-fund --prefix $(NODE) s3rver@3.7.1; else echo "npm is missing: the tests with s3rver are skipped"; fi

bench: $(VENV)/.test-installed .collections/ansible_collections/nomos/cockroach_migrator
	$(BIN)/python tests/benchmark/tpcc.py

docs: $(VENV)/.demo-installed .collections/ansible_collections/nomos/cockroach_migrator
	$(BIN)/python tools/generate_docs.py

clean: demo-stop
	rm -rf $(DEMO_DIR) $(MOLECULE_DIR) $(VENV) .cache .collections .pytest_cache .mypy_cache .ruff_cache .ansible
