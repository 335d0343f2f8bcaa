# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Every option that a message names is there: as a variable of the user's, or as an argument of a module or role."""
from __future__ import annotations

import ast
import importlib
import pathlib
import re
from collections.abc import Iterator

import pytest
import yaml

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.settings import (
    BY_NAME,
    PLAYBOOK_VARIABLES,
    SETTINGS,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.conversion_policies import QUESTIONS
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.value_policies import KINDS

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
NO_OPTIONS = {
    "ansible_python_interpreter", "http_proxy", "https_proxy", "no_proxy",  # of Ansible, of the environment
    "foreign_keys", "sequence_owners", "read_back",  # values
    "is_called", "last_value",  # of a sequence
    "allow_unsafe_internals", "encryption_info_dir", "exclude_data_from_backup", "ttl_pause", "external_id",  # of CockroachDB
    "create_statement", "schema_locked", "ttl_expire_after", "ttl_expiration_expression", "bucket_count", "crdb_region", "crdb_internal",  # of its schemas
    "unordered_unique_rowid", "gen_random_ulid", "uuid_v4", "experimental_uuid_v4", "gateway_region", "default_to_database_primary_region", "rehome_row",
    "application_name", "max_connections", "target_session_attrs", "unique_violation",  # of PostgreSQL
    "default_table_access_method", "default_tablespace", "local_preload_libraries", "log_statement", "session_preload_libraries", "session_replication_role",
    "standard_conforming_strings", "synchronous_standby_names", "temp_file_limit",  # settings of PostgreSQL
    "cockroach_migrator", "migration_targets",  # ours: a schema of the target, a group of the inventory
}
"""Names in messages that are something else."""
_NAME = r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+"
_ADVISED = re.compile(rf"\b(?:[Ss]et|check|[Uu]se|choose|[Gg]ive|clear|raise|lower|change|allow|name|empty|with|in|by|into|or|and|,) ({_NAME})\b(?![.(=*])")
_SET = re.compile(r"\bset ([a-z_]+)(?= to\b|: [a-z]|;|$)")
_VALUE = re.compile(r"(?:\(|\b(?:set|with|by|and|or) )([a-z_]+): ([a-z]+)\b")
_WORD = re.compile(rf"(?<![\w.@]){_NAME}(?![.(*\w])")
_SQL = re.compile(r"\b(?:SELECT|INSERT|CREATE|ALTER|DROP|COPY|SET|BEGIN|DECLARE|GRANT|SHOW|JOIN|LIMIT)\b")
_OF_POSTGRESQL = re.compile(r"(?:pg|st|information)_")


def messages(path: pathlib.Path) -> list[str]:
    """Return a file's sentences: its string literals but documentation, what begins as SQL, and lists of words. What is formatted into them is a gap."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    skipped |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "").isupper()
                and isinstance(node.value, ast.Constant)}
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped]
    return [text for text in texts if " " in text.strip() and not _SQL.match(text.strip()) and not re.fullmatch(r"[a-z0-9_\s]+", text)]


def shown(value: object, spoken: bool = False) -> Iterator[str]:
    """Yield what the tasks of a playbook or role say, without what Jinja puts there."""
    if isinstance(value, str) and spoken:
        yield re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", value, flags=re.DOTALL)
    elif isinstance(value, list):
        for item in value:
            yield from shown(item, spoken)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from shown(item, spoken or key in ("msg", "fail_msg", "success_msg"))


def documented(document: str) -> set[str]:
    """Return the options of a module's or fragment's documentation."""
    return set(yaml.safe_load(document).get("options", {}))


@pytest.fixture(name="known", scope="module")
def _known() -> set[str]:
    names = {*BY_NAME, *PLAYBOOK_VARIABLES, *QUESTIONS, *KINDS}
    for folder in ("modules", "doc_fragments"):
        for path in sorted((CHECKOUT / "plugins" / folder).glob("*.py")):
            module = importlib.import_module(f"ansible_collections.nomos.cockroach_migrator.plugins.{folder}.{path.stem}")
            texts = vars(module.ModuleDocFragment) if folder == "doc_fragments" else {"DOCUMENTATION": module.DOCUMENTATION}
            names |= {path.stem}.union(*(documented(text) for name, text in texts.items() if name.isupper()))
    for path in CHECKOUT.glob("roles/*/meta/argument_specs.yml"):
        names |= set(yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"])
    return names


def advised(text: str) -> set[str]:
    """Return the options that a sentence names; beside SQL, whose names are others, those that it advises. The keys of an example's mapping are none."""
    text = re.sub(r"\(\{.*?\}\)", "", text)
    names = {name for pattern in (_ADVISED, _SET, *(() if _SQL.search(text) else (_WORD,))) for name in pattern.findall(text)}
    return {name for name in names if not _OF_POSTGRESQL.match(name)} - NO_OPTIONS


def wrong_values(text: str) -> set[str]:
    """Return each ``name: value`` whose value is a choice of some variable, but not of that name."""
    owners: dict[str, set[str]] = {}
    for setting in SETTINGS:
        for choice in setting.choices:
            owners.setdefault(choice, set()).add(setting.name)
    return {f"{name}: {value}" for name, value in _VALUE.findall(text) if value in ("restore", "backup", "cluster", "existing", "skip") and name not in owners[value]}


SOURCES = sorted((CHECKOUT / "plugins").rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(CHECKOUT / "plugins")))
def test_messages_name_options_that_are_there(path, known):
    found = {(name, text) for text in messages(path) for name in advised(text) - known}
    assert not found, f"no such variable or argument; if it is none, it belongs to NO_OPTIONS: {found}"
    assert not {text for text in messages(path) if wrong_values(text)}


TASKS = sorted(path for pattern in ("playbooks/**/*.yml", "roles/*/tasks/*.yml", "roles/*/handlers/*.yml") for path in CHECKOUT.glob(pattern))


@pytest.mark.parametrize("path", TASKS, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_tasks_name_options_that_are_there(path, known):
    said = list(shown(yaml.safe_load(path.read_text(encoding="utf-8"))))
    assert not {(name, text) for text in said for name in set(_WORD.findall(text)) - NO_OPTIONS - known}
    assert not {text for text in said if wrong_values(text)}


def test_names_are_found_in_sentences(known):
    assert advised(": no S3 credentials: set access_key_id and secret_access_key, a profile") == {"access_key_id", "secret_access_key"}
    assert advised("check endpoint_url, region and the network") == {"endpoint_url"}
    assert advised("the bucket is in another region: set region") == {"region"}
    assert advised("the gzip_level matters") == {"gzip_level"}
    assert advised("its owner (see relowner_id) may GRANT it; or set grants_mode") == {"grants_mode"}
    assert list(shown([{"name": "no_name", "assert": {"that": "an_expression", "fail_msg": "{{ a_fact }} is wrong: set dump_dir"}}])) == [" is wrong: set dump_dir"]
    assert not {"access_key_id", "secret_access_key", "endpoint_url"} & known
    assert wrong_values("restore it with CockroachDB (source: restore)") == {"source: restore"}
    assert not wrong_values("set migration_source: restore")
