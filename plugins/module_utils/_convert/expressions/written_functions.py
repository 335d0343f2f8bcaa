# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Functions of CockroachDB in SQL and PL/pgSQL, with the same results.

The hashes follow feedHash() in CockroachDB's pkg/sql/sem/builtins/builtins.go: arguments that are NULL are skipped, and
only NULLs have no hash. The constants are those of FNV (RFC 9923) and of the reflected CRC polynomials (RFC 3385).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Optional

from ..._model.names import dollar_quote
from ..definitions import RoutineDefinition

_CRC_FROM = 18
"""PostgreSQL 18 has crc32() and crc32c() of its own."""
_IMMUTABLE = ("plpgsql IMMUTABLE", "sql IMMUTABLE")
_PLPGSQL, _SQL = _IMMUTABLE


@dataclass(frozen=True)
class WrittenFunction:
    """``result`` is an SQL type, ``family`` that of CockroachDB's type; ``body`` is the text of the function."""

    parameters: str
    result: str
    family: str
    options: str
    body: str
    parallel: str = "SAFE"

    @property
    def is_immutable(self) -> bool:
        """Whether it can be called in an index or a generated column."""
        return self.options.startswith(_IMMUTABLE)

    def definition(self) -> RoutineDefinition:
        """Return what the catalog has to show."""
        return RoutineDefinition(
            "FUNCTION",
            self.parameters,
            f"RETURNS {self.result} LANGUAGE {self.options} PARALLEL {self.parallel}",
            f"AS {dollar_quote(self.body)}",
        )


_PARAMETERS = {"string": "VARIADIC parts text[]", "bytes": "VARIADIC parts bytea[]"}
_JOINED = {
    "string": "pg_catalog.convert_to(pg_catalog.array_to_string(parts, ''), 'UTF8')",
    "bytes": "(SELECT pg_catalog.string_agg(part, '' ORDER BY number) "
    "FROM pg_catalog.unnest(parts) WITH ORDINALITY AS given (part, number))",
}
"""The bytes of all arguments."""
_HALF = 2**32 - 1


def _hash_loop(family: str, variables: str, step: str, result: str) -> WrittenFunction:
    """Return a function that changes its variables for each byte, and then returns a result."""
    body = f"""
DECLARE
    data CONSTANT bytea := {_JOINED[family]};
    {variables}
BEGIN
    IF pg_catalog.num_nonnulls(VARIADIC parts) = 0 THEN
        RETURN NULL;
    END IF;
    FOR place IN 0 .. pg_catalog.octet_length(data) - 1 LOOP
        {step}
    END LOOP;
    RETURN {result};
END
"""
    return WrittenFunction(_PARAMETERS[family], "bigint", "int", _PLPGSQL, body)


_BYTE = "pg_catalog.get_byte(data, place)"


def _fnv32(family: str, xor_first: bool) -> WrittenFunction:
    step = (
        f"hash := (hash # {_BYTE}) * 16777619 & {_HALF};"
        if xor_first
        else f"hash := (hash * 16777619 & {_HALF}) # {_BYTE};"
    )
    return _hash_loop(family, "hash bigint := 2166136261;", step, "hash")


def _fnv64(family: str, xor_first: bool) -> WrittenFunction:
    """The hash is kept in two halves, since a product of bigints must not overflow. The prime is 2^40 + 435."""
    xor = f"low := low # {_BYTE};"
    multiply = f"""high := (high * 435 + (low * 435 >> 32) + (low << 8)) & {_HALF};
        low := low * 435 & {_HALF};"""
    step = f"{xor}\n        {multiply}" if xor_first else f"{multiply}\n        {xor}"
    start = 0xCBF29CE484222325
    variables = f"high bigint := {start >> 32};\n    low bigint := {start & _HALF};"
    return _hash_loop(family, variables, step, "high << 32 | low")


def _crc32(family: str, polynomial: int) -> WrittenFunction:
    """Four bits are a step, by a table of their remainders."""
    variables = (
        f"remainders CONSTANT bigint[] := '{{{','.join(str(_remainder(bits, polynomial)) for bits in range(16))}}}';\n"
        f"    crc bigint := {_HALF};"
    )
    four_bits = "crc := (crc >> 4) # remainders[(crc & 15) + 1];"
    step = "\n        ".join((f"crc := crc # {_BYTE};", four_bits, four_bits))
    return _hash_loop(family, variables, step, f"crc # {_HALF}")


def _remainder(bits: int, polynomial: int) -> int:
    for _bit in range(4):
        bits = bits >> 1 ^ (polynomial if bits & 1 else 0)
    return bits


def _built_in_crc(family: str, name: str) -> WrittenFunction:
    """The CRC of PostgreSQL itself."""
    body = f"SELECT CASE WHEN pg_catalog.num_nonnulls(VARIADIC parts) > 0 THEN pg_catalog.{name}({_JOINED[family]}) END"
    return WrittenFunction(_PARAMETERS[family], "bigint", "int", _SQL, body)


_DIGESTS = {
    "md5": "pg_catalog.md5({0})",
    **{
        name: f"pg_catalog.encode(pg_catalog.{name}({{0}}), 'hex')" for name in ("sha224", "sha256", "sha384", "sha512")
    },
}


def _digest(family: str, name: str) -> WrittenFunction:
    """The digest of several arguments."""
    digest = _DIGESTS[name].format(_JOINED[family])
    body = f"SELECT CASE WHEN pg_catalog.num_nonnulls(VARIADIC parts) > 0 THEN {digest} END"
    return WrittenFunction(_PARAMETERS[family], "text", "string", _SQL, body)


_DIGITS = "ARRAY['zero','one','two','three','four','five','six','seven','eight','nine']"
_TO_ENGLISH = WrittenFunction(
    "number bigint",
    "text",
    "string",
    f"{_SQL} STRICT",
    "SELECT CASE WHEN number < 0 THEN 'minus-' ELSE '' END || (SELECT pg_catalog.string_agg("
    f"({_DIGITS})[CAST(digit AS integer) + 1], '-' ORDER BY place) FROM pg_catalog.unnest("
    "pg_catalog.string_to_array(pg_catalog.ltrim(CAST(number AS text), '-'), NULL)) "
    "WITH ORDINALITY AS digits (digit, place))",
)
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ULID_LENGTH = 26
_UUID_TO_ULID = WrittenFunction(
    "value uuid",
    "text",
    "string",
    f"{_SQL} STRICT",
    f"SELECT (SELECT pg_catalog.string_agg(pg_catalog.substr('{_CROCKFORD}', 1 + CAST(pg_catalog.substring("
    "B'00' || CAST('x' || pg_catalog.replace(CAST(value AS text), '-', '') AS bit(128)), place * 5 + 1, 5) "
    f"AS integer), 1), '' ORDER BY place) FROM pg_catalog.generate_series(0, {_ULID_LENGTH - 1}) AS places (place))",
)
_BITS_OF_ULID = f"""
DECLARE
    bits CONSTANT text := (
        SELECT pg_catalog.string_agg(CAST(CAST(pg_catalog.strpos('{_CROCKFORD}', letter) - 1 AS bit(5)) AS text), ''
            ORDER BY place)
        FROM pg_catalog.unnest(pg_catalog.string_to_array(pg_catalog.upper(value), NULL))
            WITH ORDINALITY AS letters (letter, place)
    );
BEGIN
    IF pg_catalog.upper(value) !~ '^[0-7][{_CROCKFORD}]{{{_ULID_LENGTH - 1}}}$' THEN
        RAISE EXCEPTION 'invalid ULID: %', value USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN (
        SELECT CAST(pg_catalog.string_agg(pg_catalog.lpad(pg_catalog.to_hex(
            CAST(CAST(pg_catalog.substr(bits, 3 + 32 * part, 32) AS bit(32)) AS integer)), 8, '0'), ''
            ORDER BY part) AS uuid)
        FROM pg_catalog.generate_series(0, 3) AS parts (part)
    );
END
"""
_ULID_TO_UUID = WrittenFunction("value text", "uuid", "uuid", f"{_PLPGSQL} STRICT", _BITS_OF_ULID)
_GEN_RANDOM_ULID = WrittenFunction(
    "",
    "uuid",
    "uuid",
    "sql VOLATILE",
    "SELECT CAST(pg_catalog.lpad(pg_catalog.to_hex(CAST(pg_catalog.floor(EXTRACT(epoch FROM "
    "pg_catalog.clock_timestamp()) * 1000) AS bigint)), 12, '0') || pg_catalog.right(pg_catalog.replace(CAST("
    # The first and last digits of a version 4 UUID are random, those between hold its version.
    "pg_catalog.gen_random_uuid() AS text), '-', ''), 12) || pg_catalog.left(CAST(pg_catalog.gen_random_uuid() "
    "AS text), 8) AS uuid)",
)
"""48 bits of the time in milliseconds and 80 random ones, as github.com/oklog/ulid makes them."""

_TO_IP = WrittenFunction(
    "value text",
    "bytea",
    "bytes",
    f"{_PLPGSQL} STRICT",
    """
DECLARE
    address CONSTANT inet := CAST(value AS inet);
BEGIN
    IF pg_catalog.strpos(value, '/') > 0 THEN
        RAISE EXCEPTION 'invalid IP format: %', value USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN CAST(CASE pg_catalog.family(address) WHEN 4 THEN '\\x00000000000000000000ffff' ELSE '\\x' END AS bytea)
        || pg_catalog.substr(pg_catalog.inet_send(address), 5);
END
""",
)
"""The address follows four other bytes in what inet_send() returns."""
_FROM_IP = WrittenFunction(
    "value bytea",
    "text",
    "string",
    f"{_PLPGSQL} STRICT",
    """
DECLARE
    address CONSTANT bytea := CASE
        WHEN pg_catalog.octet_length(value) = 16 AND pg_catalog.substr(value, 1, 12) = '\\x00000000000000000000ffff'
        THEN pg_catalog.substr(value, 13) ELSE value
    END;
    digits CONSTANT text := pg_catalog.encode(address, 'hex');
BEGIN
    IF digits = '' THEN
        RAISE EXCEPTION 'zero length IP' USING ERRCODE = 'invalid_parameter_value';
    ELSIF pg_catalog.octet_length(address) = 4 THEN
        RETURN pg_catalog.concat_ws('.', pg_catalog.get_byte(address, 0), pg_catalog.get_byte(address, 1),
            pg_catalog.get_byte(address, 2), pg_catalog.get_byte(address, 3));
    ELSIF pg_catalog.octet_length(address) <> 16 THEN
        RETURN '?' || digits;
    ELSIF digits ~ '^0{24}' AND digits !~ '^0{28}' THEN
        RETURN '::' || pg_catalog.ltrim(pg_catalog.substr(digits, 25, 4), '0') || ':'
            || coalesce(nullif(pg_catalog.ltrim(pg_catalog.substr(digits, 29), '0'), ''), '0');
    END IF;
    RETURN pg_catalog.host(CAST(pg_catalog.rtrim(pg_catalog.regexp_replace(digits, '(....)', '\\1:', 'g'), ':')
        AS inet));
END
""",
)
"""PostgreSQL writes the last 32 bits as IPv4 if they alone are not zero."""
_LENGTH = "pg_catalog.octet_length(value)"
_LEFT = WrittenFunction(
    "value bytea, count bigint",
    "bytea",
    "bytes",
    f"{_SQL} STRICT",
    f"SELECT pg_catalog.substr(value, 1, CAST(CASE WHEN count < 0 THEN greatest({_LENGTH} + count, 0) "
    f"ELSE least(count, {_LENGTH}) END AS integer))",
)
_RIGHT = WrittenFunction(
    "value bytea, count bigint",
    "bytea",
    "bytes",
    f"{_SQL} STRICT",
    f"SELECT pg_catalog.substr(value, CAST(1 + CASE WHEN count < 0 THEN least(- count, {_LENGTH}) "
    f"ELSE greatest({_LENGTH} - count, 0) END AS integer))",
)
_IS_JSON_FROM = 16
_TRY_JSON = """
BEGIN
    PERFORM CAST(value AS json);
    RETURN true;
EXCEPTION WHEN data_exception THEN
    RETURN false;
END
"""


def _json_valid(major: int) -> WrittenFunction:
    """IS JSON is of PostgreSQL 16; a function that catches errors cannot run in parallel workers."""
    if major >= _IS_JSON_FROM:
        return WrittenFunction("value text", "boolean", "bool", f"{_SQL} STRICT", "SELECT value IS JSON")
    return WrittenFunction("value text", "boolean", "bool", f"{_PLPGSQL} STRICT", _TRY_JSON, "UNSAFE")


_KEY_OF_INTEGER = """
DECLARE
    is_negative CONSTANT boolean := number < 0;
    rest CONSTANT bigint := CASE WHEN is_negative THEN -1 - number ELSE number END;
    width integer := 1;
BEGIN
    IF number IS NULL THEN
        RETURN '\\x00';
    ELSIF number BETWEEN 0 AND 109 THEN
        RETURN pg_catalog.set_byte('\\x00', 0, CAST(136 + number AS integer));
    END IF;
    WHILE width < 8 AND rest >= (CAST(1 AS bigint) << 8 * width) - CAST(is_negative AS integer) LOOP
        width := width + 1;
    END LOOP;
    RETURN pg_catalog.set_byte('\\x00', 0, CASE WHEN is_negative THEN 136 - width ELSE 245 + width END)
        || pg_catalog.substr(pg_catalog.int8send(number), 9 - width);
END
"""


def _key_of_bytes(hexadecimal: str) -> str:
    """Return the body for a value by the digits of its bytes: a zero byte is followed by FF."""
    spaced = f"pg_catalog.regexp_replace({hexadecimal}, '(..)', '\\1 ', 'g')"
    escaped = f"pg_catalog.decode(pg_catalog.replace({spaced}, '00 ', '00ff '), 'hex')"
    return f"SELECT CASE WHEN value IS NULL THEN '\\x00' ELSE '\\x12' || {escaped} || '\\x0001' END"


def _key(parameter: str, options: str, body: str) -> WrittenFunction:
    return WrittenFunction(parameter, "bytea", "bytes", options, body)


_KEYS = {
    "bool": _key(
        "value boolean",
        _SQL,
        "SELECT CAST(CASE value WHEN true THEN '\\x89' WHEN false THEN '\\x88' ELSE '\\x00' END AS bytea)",
    ),
    "bytes": _key("value bytea", _SQL, _key_of_bytes("pg_catalog.encode(value, 'hex')")),
    "int": _key("number bigint", _PLPGSQL, _KEY_OF_INTEGER),
    "string": _key("value text", _SQL, _key_of_bytes("pg_catalog.encode(pg_catalog.convert_to(value, 'UTF8'), 'hex')")),
    "uuid": _key("value uuid", _SQL, _key_of_bytes("pg_catalog.replace(CAST(value AS text), '-', '')")),
}
"""Functions by the family of the value; the encoding is that of CockroachDB's pkg/util/encoding/encoding.go."""

_HASHES: dict[str, Callable[[str], WrittenFunction]] = {
    "fnv32": lambda family: _fnv32(family, xor_first=False),
    "fnv32a": lambda family: _fnv32(family, xor_first=True),
    "fnv64": lambda family: _fnv64(family, xor_first=False),
    "fnv64a": lambda family: _fnv64(family, xor_first=True),
    "crc32ieee": lambda family: _crc32(family, 0xEDB88320),
    "crc32c": lambda family: _crc32(family, 0x82F63B78),
}
_CRCS = {"crc32ieee": "crc32", "crc32c": "crc32c"}
_BY_FAMILY = {
    ("from_ip", "bytes", 1): _FROM_IP,
    ("left", "bytes", 2): _LEFT,
    ("right", "bytes", 2): _RIGHT,
    ("to_ip", "string", 1): _TO_IP,
}
"""(name, family of the first argument, number of arguments) to the function."""
_OTHERS = {
    "to_english": _TO_ENGLISH,
    "uuid_to_ulid": _UUID_TO_ULID,
    "ulid_to_uuid": _ULID_TO_UUID,
    "gen_random_ulid": _GEN_RANDOM_ULID,
}


def written_function(name: str, family: str, count: int, major: int) -> Optional[WrittenFunction]:
    """Return the function for a call with ``count`` arguments, the first of this family, on a server of this major
    version; None if there is none."""
    if name in _HASHES and family in _PARAMETERS:
        return _built_in_crc(family, _CRCS[name]) if name in _CRCS and major >= _CRC_FROM else _HASHES[name](family)
    if name in _DIGESTS and family in _PARAMETERS and count > 1:
        return _digest(family, name)
    if name == "json_valid":
        return _json_valid(major)
    return _OTHERS.get(name) or _BY_FAMILY.get((name, family, count))


def under_setting(value: str, result: str, family: str, setting: str, choice: str) -> WrittenFunction:
    """Return a function that casts a value under a choice of DateStyle or IntervalStyle. ``value`` and ``result`` are
    SQL types, ``family`` that of the result."""
    options = f"{_SQL} STRICT SET \"{setting}\" = '{choice}'"
    return WrittenFunction(f"value {value}", result, family, options, f"SELECT CAST(value AS {result})")


def key_function(family: str) -> Optional[WrittenFunction]:
    """Return the function that encodes a value of this family as in an index key, None if there is none."""
    return _KEYS.get(family)
