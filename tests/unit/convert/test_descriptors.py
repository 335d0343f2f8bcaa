# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What descriptors say of functions, triggers, policies and default privileges.

The database and its schemas are what CockroachDB v22.1 stored. Functions, triggers and policies came later: their
descriptors are written here by the published messages, with every field that a real one has.
"""
from __future__ import annotations

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._arrange.selection import Selection, select
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.database import convert_database
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import UnsupportedError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    DefaultPrivileges,
    Grant,
    Policy,
    Trigger,
    UnfinishedImport,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.descriptors.catalog_of_descriptors import (
    build_catalog,
    system_tables,
)

REAL = {
    935: "12b1010a02647010a7071a300a0b0a0561646d696e100218020a0d0a067075626c6963108010"
         "18000a0a0a04726f6f74100218021204726f6f741802220028053a0f0a067075626c6963120508a80710003a0a0a0173120508a9071000"
         "40004a005a510a3d62100a04626f73732001280130013801400172130801120f0a090a0361707010601800120018007214080412100a0a0a0361707010"
         "80041800120018000a0e6a025801720808031204120018001000",
    936: "224908a70712067075626c696318a80722310a0b0a0561646d696e100218020a0d0a067075626c696310840418000a0a0a04726f6f7410021802120561646d696e18022a00300140004a00",
    937: "226f08a70712017318a907222f0a0b0a0561646d696e100218020a0c0a067075626c6963100018000a0a0a04726f6f74100218021204726f6f7418022a00300240004a00522b0a2762100a04626f"
         "73732000280030003800400072130802120f0a090a0361707010021802120018001001",
}
STRING, INT8, TRIGGER_TYPE = {1: 7, 10: 25}, {1: 1, 2: 64, 10: 20}, {1: 33, 10: 2279}
PRIVILEGES = {1: [{1: "admin", 2: 2}], 2: "boss", 3: 3}


def message(fields) -> bytes:
    """Encode a protobuf message: numbers, texts, messages (dicts) and lists of them by field number."""
    result = b""
    for number, value in fields.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, int):
                result += varint(number << 3) + varint(item)
            else:
                data = item.encode() if isinstance(item, str) else message(item)
                result += varint(number << 3 | 2) + varint(len(data)) + data
    return result


def varint(value: int) -> bytes:
    result = b""
    while value > 0x7F:
        result += bytes((value & 0x7F | 0x80,))
        value >>= 7
    return result + bytes((value,))


def function(number, name, body, **more):
    fields = {
        1: name, 2: number, 3: 935, 4: 936, 5: [], 6: {1: INT8, 2: 0}, 7: 1, 8: body, 9: 1, 10: 0, 11: 1, 12: PRIVILEGES, 13: [], 14: [], 15: [{1: 1100}],
        16: 0, 17: "", 18: 3, 19: {1: 5}, 21: 0, 22: [], 23: 0, 24: 0,
    }
    fields.update({int(key[1:]): value for key, value in more.items()})
    return {5: fields}


def table(triggers, policies, indexes=()):
    column = {1: "id", 2: 1, 3: INT8, 4: 0}
    return {1: {
        1: "t", 3: 1100, 4: 935, 5: 7, 8: [column], 9: 2, 10: {1: "t_pkey", 2: 1, 3: 1, 4: ["id"], 6: [1], 8: [0], 18: 4, 19: 1, 26: 1},
        11: list(indexes), 12: 2, 13: PRIVILEGES, 17: 3, 22: [{1: "primary", 2: 0, 3: ["id"], 4: [1]}], 23: 1, 40: 936, 49: 2, 62: [7], 64: triggers, 65: 2, 66: policies, 67: 2,
        68: 1, 69: 1, 71: 5,
    }}


@pytest.fixture
def catalog():
    descriptors = {number: bytes.fromhex(text) for number, text in REAL.items()}
    trigger = {
        1: 1, 2: "tr", 3: 1, 4: [{1: 1}, {1: 2, 2: ["id"]}], 5: "", 6: "", 7: 1, 8: "(new).id > 1:::INT8", 9: 1003, 10: ["x"], 11: "BEGIN RETURN NEW; END", 12: 1, 13: [1100],
        14: [], 15: [1001],
    }
    policy = {1: 1, 2: "mine", 3: 2, 4: 2, 5: ["public"], 6: "id > 1:::INT8", 7: "", 11: [1], 8: [], 9: [], 10: []}
    made = {
        1001: function(1001, "one", "SELECT b + 1:::INT8", f5=[{1: 1, 2: "a", 3: STRING}, {1: 0, 2: "b", 3: INT8, 4: "5:::INT8"}], f9=2, f11=3, f22=[1002], f23=1),
        1002: function(1002, "two", "SELECT count(*) FROM dp.public.t", f13=[1100], f6={1: INT8, 2: 1}),
        1003: function(1003, "fire", "BEGIN RETURN NEW; END", f6={1: TRIGGER_TYPE}, f7=2),
        1100: table([trigger], [policy]),
    }
    return build_catalog({**descriptors, **{number: message(fields) for number, fields in made.items()}})


def test_row_level_ttl():
    made = table([], [])
    made[1][47] = {3: 50, 4: "@hourly", 11: "id::TIMESTAMPTZ"}
    descriptors = {number: bytes.fromhex(text) for number, text in REAL.items()}
    [found] = build_catalog({**descriptors, 1100: message(made)}).databases[0].tables
    assert found.ttl == {"expiration": "id::TIMESTAMPTZ", "cron": "@hourly", "delete_batch_size": 50}


def test_functions(catalog):
    one, two, fire = catalog.databases[0].functions
    assert [parameter.name for parameter in one.parameters] == ["a", "b"] and one.parameters[1].default == "5:::INT8"
    assert (one.volatility, one.strict, one.security_definer, one.depends_on, one.owner) == ("IMMUTABLE", True, True, [1002], "boss")
    assert (two.returns_set, two.depends_on) == (True, [1100])
    assert (fire.language, fire.return_type.family) == ("PLPGSQL", "trigger")


def test_triggers_and_policies(catalog):
    item = catalog.databases[0].tables[0]
    assert item.triggers == [Trigger("tr", "BEFORE", ["INSERT", "UPDATE"], True, "(new).id > 1:::INT8", 1003, ["x"], True, ["id"])]
    assert item.policies == [Policy("mine", "RESTRICTIVE", "SELECT", ["public"], "id > 1:::INT8", "")]
    assert item.row_level_security and item.row_level_security_forced


def test_default_privileges(catalog):
    database = catalog.databases[0]
    assert database.default_privileges == [
        DefaultPrivileges("boss", "TABLES", [Grant("app", ["SELECT", "INSERT"])]), DefaultPrivileges("boss", "SCHEMAS", [Grant("app", ["USAGE"])]),
    ]
    assert database.schemas[1].default_privileges == [DefaultPrivileges("boss", "SEQUENCES", [Grant("app", ["ALL"], ["ALL"])])]


def test_it_is_all_made(server, catalog):
    connection = server.new_database("described")
    roles = frozenset(("postgres", "boss", "app"))
    with server.connect() as admin, admin.cursor() as cursor:
        for role in ("boss", "app"):
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE ROLE {role}")
    conversion = convert_database(catalog.databases[0], [], server.features(), ConvertOptions("existing", roles))
    with connection.cursor() as cursor:
        for statement in conversion.statements:
            cursor.execute(statement.sql)
        cursor.execute("SELECT proname, pg_get_userbyid(proowner), prosecdef FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1")
        assert cursor.fetchall() == [("fire", "boss", False), ("one", "boss", True), ("two", "boss", False)]
        cursor.execute("SELECT count(*) FROM pg_default_acl WHERE defaclrole = 'boss'::regrole")
        assert cursor.fetchone() == (3,)
        cursor.execute(next(finding.advice for finding in conversion.findings if finding.code == "function_for_everybody").rstrip("."))
    connection.close()


def test_the_distance_of_vector_indexes():
    """v25.2 has only one; v25.3 keeps the others in the index' configuration."""
    configurations = [{1: 3, 2: 42}, {1: 3, 2: 42, 8: 1}, {1: 3, 2: 42, 8: 2}]
    indexes = [{1: f"i{number}", 2: number, 4: ["id"], 6: [1], 16: 2, 30: configuration} for number, configuration in enumerate(configurations, 2)]
    descriptors = {number: bytes.fromhex(text) for number, text in REAL.items()}
    made = build_catalog({**descriptors, 1100: message(table([], [], indexes))}).databases[0].tables[0].indexes
    assert [(index.kind, index.distance) for index in made] == [("vector", "l2"), ("vector", "ip"), ("vector", "cosine")]
    indexes[0][30] = {8: 9}
    [unreadable] = build_catalog({**descriptors, 1100: message(table([], [], indexes))}).unreadable
    assert unreadable.full_name == "dp.public.t" and unreadable.reason.endswith("i2: the value 9 of field 8 is not known")


def test_keys_of_a_table_that_is_regional_by_row():
    """The region stands in front of every key, with a partition for each; nobody wrote it there."""
    made = table([], [], [{1: "t_id_key", 2: 2, 3: 1, 4: ["r", "id"], 6: [2, 1], 8: [0, 0], 15: {1: 1, 2: [{1: "eu"}], 4: 1}}])
    fields = made[1]
    fields[8] = [*fields[8], {1: "r", 2: 2, 3: STRING, 4: 0}]
    fields[10] = {**fields[10], 4: ["r", "id"], 6: [2, 1], 8: [0, 0], 15: {1: 1, 2: [{1: "eu"}], 4: 1}}
    fields[42] = {3: {1: "r"}}
    descriptors = {number: bytes.fromhex(text) for number, text in REAL.items()}
    catalog = build_catalog({**descriptors, 1100: message(made)})
    found = catalog.databases[0].tables[0]
    assert found.locality == "REGIONAL BY ROW AS r"
    assert [part.column_id for part in found.primary_index.columns] == [2, 1], "rows are stored under the whole key"
    conversion = convert_database(catalog.databases[0], [], ServerFeatures(), ConvertOptions("skip"))
    keys = [statement.sql.split(" ADD ")[1] for statement in conversion.statements if statement.kind in ("primary_key", "unique_constraint")]
    assert keys == ['CONSTRAINT "t_pkey" PRIMARY KEY ("id")', 'CONSTRAINT "t_id_key" UNIQUE ("id")']
    assert {finding.code for finding in conversion.findings} == {"locality", "row_level_security_forced"}


def test_the_primary_region_is_the_default_of_new_rows():
    descriptors = {number: bytes.fromhex(text) for number, text in REAL.items()}
    made = table([], [])
    made[1][8] = [*made[1][8], {1: "r", 2: 2, 3: STRING, 4: 0, 5: "default_to_database_primary_region(gateway_region())"}]
    catalog = build_catalog({**descriptors, 1100: message(made)})
    [database] = catalog.databases
    assert "default_left_out" in {finding.code for finding in convert_database(database, [], ServerFeatures(), ConvertOptions("skip")).findings}
    database.primary_region = "eu-west1"
    conversion = convert_database(database, [], ServerFeatures(), ConvertOptions("skip"))
    assert any("\"r\" text DEFAULT ('eu-west1')" in statement.sql for statement in conversion.statements)
    assert "expression_differs" in {finding.code for finding in conversion.findings}


def test_roles_of_policies_are_named():
    descriptors = {number: bytes.fromhex(text) for number, text in REAL.items()}
    policy = {1: 1, 2: "mine", 3: 1, 4: 1, 5: ["public", "reader"], 6: "true"}
    assert "reader" in {role.name for role in build_catalog({**descriptors, 1100: message(table([], [policy]))}).roles}


FUTURE = {
    "a field of a policy": {1100: table([], [{1: 1, 2: "mine", 3: 1, 4: 1, 99: 1}])},
    "a field of a table": {1100: {1: {**table([], [])[1], 99: 1}}},
    "a type family": {1100: {1: {**table([], [])[1], 8: [{1: "id", 2: 1, 3: {1: 99, 10: 9999}, 4: 0}]}}},
    "a kind of type": {1200: {3: {1: 935, 2: 936, 3: "thing", 4: 1200, 5: 77}}},
    "a field of a type": {1200: {3: {1: 935, 2: 936, 3: "thing", 4: 1200, 99: 1}}},
    "a language": {1200: function(1200, "thing", "…", f7=99)},
}


def with_future(made, *more):
    """The database dp with the table dp.public.t, something that is not known, and another database."""
    real = {number: bytes.fromhex(text) for number, text in REAL.items()}
    other = {2000: {2: {1: "other", 2: 2000}}, 2001: {1: {**table([], [])[1], 1: "u", 3: 2001, 4: 2000, 40: 0}}}
    return {**real, **{number: message(fields) for number, fields in {1100: table([], []), **other, **made}.items()}, **dict(more)}


@pytest.mark.parametrize("what", FUTURE)
def test_what_is_not_known_concerns_the_object_that_has_it(what):
    made = FUTURE[what]
    name = "dp.public.t" if 1100 in made else "dp.public.thing"
    for include, exclude in (((), ()), (("dp",), ()), ((name,), ())):
        with pytest.raises(UnsupportedError, match=rf"{name}: .*(unknown|not known).*exclude it \(databases: exclude\)"):
            select(build_catalog(with_future(made)), Selection(include, exclude))
    for include, exclude, expected in ((("other",), (), ["other"]), ((), (name,), ["dp", "other"]), ((), ("dp",), ["other"])):
        chosen = select(build_catalog(with_future(made)), Selection(include, exclude))
        assert [database.name for database in chosen.databases] == expected
        assert not [finding for finding in chosen.findings if finding.code == "unknown_descriptor"]


@pytest.mark.parametrize("kind", [
    {1: 24, 10: 101200}, {1: 15, 10: 101201, 11: {1: 24, 10: 101200}}, {1: 1, 2: 64, 10: 101200},
], ids=["enum", "array", "a base type's family, as of a domain"])
def test_a_chosen_table_cannot_be_had_without_the_type_that_is_not_known(kind):
    made = FUTURE["a kind of type"]
    uses = table([], [])
    uses[1][8] = [{1: "id", 2: 1, 3: kind, 4: 0}]
    for selection in (Selection(("dp.public.t",)), Selection((), ("dp.public.thing",))):
        with pytest.raises(UnsupportedError, match=r"dp\.public\.t uses the type dp\.public\.thing: .*unknown kind 77"):
            select(build_catalog(with_future({**made, 1100: uses})), selection)
    assert select(build_catalog(with_future({**made, 1100: uses})), Selection((), ("dp.public.t", "dp.public.thing"))).databases


@pytest.mark.parametrize(("number", "made", "name"), [
    (2000, {2: {1: "other", 2: 2000, 99: 1}}, "database other"), (936, {4: {1: 935, 2: "public", 3: 936, 99: 1}}, r"schema dp\.public"),
])
def test_a_database_or_schema_that_is_not_known_is_refused_with_what_it_holds(number, made, name):
    descriptors = with_future({number: made})
    inside, outside = (("other.public.u",), ("dp",)) if number == 2000 else (("dp.public.t",), ("other",))
    with pytest.raises(UnsupportedError, match=f"{name}: .*unknown field 99"):
        select(build_catalog(descriptors), Selection(inside))
    assert select(build_catalog(descriptors), Selection(outside)).databases


def test_an_object_of_an_unknown_kind_is_a_finding():
    [finding] = build_catalog(with_future({3000: {9: {1: "who knows", 2: 3000}}})).findings
    assert (finding.code, finding.severity, finding.object) == ("unknown_descriptor", "error", "descriptor 3000")


@pytest.mark.parametrize(("state", "fields", "found"), [
    (3, {54: 7, 59: 2, 60: 1}, UnfinishedImport("dp.public.t", 7, 2)), (3, {54: 7, 59: 2}, UnfinishedImport("dp.public.t", 7)), (3, {59: 2, 60: 1}, None),
    (0, {54: 7, 59: 2, 60: 1}, None), (3, {}, None),
], ids=["by epoch", "by time", "before it began", "over", "offline for something else"])
def test_a_table_under_import_into(state, fields, found):
    descriptors = with_future({1100: {1: {**table([], [])[1], 19: state, 38: "importing", **fields}}})
    catalog = build_catalog(descriptors, before_imports=True)
    assert catalog.unfinished_imports == ({1100: found} if found else {})
    assert [item.name for item in catalog.databases[0].tables] == (["t"] if found or not state else [])
    codes = [finding.code for finding in catalog.findings]
    assert codes == (["import_under_way"] if found else ["not_public"] if state else [])
    # Of a running cluster the rows of an offline table cannot be had.
    assert [finding.code for finding in build_catalog(descriptors).findings] == (["not_public"] if state else [])


def test_an_unknown_type_of_import_is_refused():
    made = {1100: {1: {**table([], [])[1], 19: 3, 54: 7, 60: 2}}}
    with pytest.raises(UnsupportedError, match=r"dp\.public\.t: .*import type 2 is not known"):
        select(build_catalog(with_future(made), before_imports=True), Selection())


def test_names_that_were_given_up_a_moment_ago_are_known():
    """Up to v22.1 a descriptor keeps them for as long as some node may still use them (draining_names)."""
    old = {1: 935, 2: 936, 3: "before"}
    made = {
        1100: {1: {**table([], [])[1], 21: [old]}}, 2000: {2: {1: "other", 2: 2000, 6: [old]}}, 936: {4: {1: 935, 2: "public", 3: 936, 7: [old]}},
        1200: {3: {1: 935, 2: 936, 3: "mood", 4: 1200, 6: [{1: "\x40", 2: "sad"}], 11: [old]}},
    }
    catalog = select(build_catalog(with_future(made)), Selection())
    assert [item.name for database in catalog.databases for item in [*database.tables, *database.types]] == ["t", "mood", "u"]


def test_system_tables_that_are_not_known_are_findings():
    findings: list = []
    column = {1: "id", 2: 1, 3: INT8, 4: 0, 99: 1}
    made = {
        number: message({1: {**table([], [])[1], 1: name, 3: number, 4: 1, 8: columns}})
        for number, name, columns in ((4, "users", [column]), (24, "comments", table([], [])[1][8]), (40, "statistics", [column]))
    }
    assert list(system_tables(made, ("users", "comments"), findings)) == ["comments"]
    [finding] = findings
    assert (finding.code, finding.object) == ("system_table_unknown", "system.users")


def test_features_without_anything(catalog):
    assert convert_database(catalog.databases[0], [], ServerFeatures(14, False), ConvertOptions("skip")).statements
