# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The sample backup as if its columns were of domains: a real backup (v22.1) whose manifest's descriptors are rewritten into v26.3's form.

No backup of v26.3 is at hand. The rows are those that CockroachDB wrote, for a column of a domain keeps its values; the descriptors of the domains
and of their arrays are made here from what cockroachdb/cockroach#165187 describes, and the columns' types get the domains' oids.
"""
from __future__ import annotations

import gzip
import hashlib
import pathlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Union

from building import message

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats import protobuf

OIDS = 100000
FIRST_ID = 500
_ID_FIELDS = {1: 3, 2: 2, 3: 4, 4: 3, 5: 2}
"""By the kind of descriptor."""
Field = tuple[int, Union[int, bytes]]


@dataclass
class Domain:
    """A domain over the type of the columns that it is put on."""

    schema: str
    name: str
    columns: tuple[str, ...]
    """``table.column``; of arrays the elements get the domain."""
    checks: tuple[tuple[str, str, int], ...] = ()
    """Name, expression and validity: 0 validated, 1 not validated, 2 being validated, 3 being dropped."""
    default: str = ""
    not_null_name: str = ""
    more: tuple[Field, ...] = ()
    """Further fields of its descriptor's part on domains."""
    id: int = 0
    base: bytes = field(default=b"", repr=False)

    @property
    def array_id(self) -> int:
        """The id of the type of its arrays."""
        return self.id + 1


DOMAINS = (
    Domain("public", "key", ("customers.id", "orders.customer_id", "addresses.customer_id")),
    Domain("public", "email", ("customers.email",), (("has_at", "strpos(value, '@':::STRING) > 1:::INT8", 0), ("gone", "value = ''", 3)), "", "email_given"),
    Domain("public", "flag", ("customers.vip",), default="true"),
    Domain("public", "nick", ("customers.nick",)),
    Domain("public", "tag", ("customers.tags",), (("short", "length(value) < 100:::INT8", 0),)),
    Domain("public", "address", ("customers.last_ip",)),
    Domain("public", "moment", ("customers.created_at",), default="now():::TIMESTAMPTZ"),
    Domain("public", "day", ("customers.birthday",)),
    Domain("public", "profile", ("customers.profile", "products.attrs"), (("object", "jsonb_typeof(value) = 'object':::STRING", 0),)),
    Domain("billing", "money", ("products.price", "orders.total"), (("positive", "value >= 0:::DECIMAL", 0), ("early", "value < 1e9:::DECIMAL", 2))),
    Domain("billing", "raw", ("payments.raw",)),
    Domain("public", "state", ("orders.status",), (("known", "value IN ('new':::@{order_status}, 'paid':::@{order_status}, "
                                                     "'shipped':::@{order_status}, 'returned':::@{order_status})", 0),)),
    Domain("public", "line_no", ("order_items.line",), (("counted", "value > 0:::INT8", 0),)),
    Domain("public", "quantity", ("order_items.qty",), (("many", "value > 1000000:::INT8", 1),)),
    Domain("public", "number", ("categories.id", "categories.parent_id")),
    Domain("public", "weight", ("products.weight_kg",)),
    Domain("public", "size_code", ("products.size_code",)),
    Domain("public", "flags", ("products.flags",)),
    Domain("public", "available", ("products.available",)),
    Domain("public", "opens", ("products.opens",)),
)


def make(source: pathlib.Path, target: pathlib.Path, domains: tuple[Domain, ...] = DOMAINS) -> pathlib.Path:
    """Copy a backup and rewrite its descriptors."""
    shutil.copytree(source, target)
    for path in target.rglob("BACKUP_MANIFEST"):
        manifest = list(_fields(gzip.decompress(path.read_bytes())))
        descriptors = [value for number, value in manifest if number == 5]
        others = [item for item in manifest if item[0] != 5]
        stored = gzip.compress(message(*others, *[(5, data) for data in with_domains(descriptors, domains)]), mtime=0)
        path.write_bytes(stored)
        (path.parent / f"{path.name}-CHECKSUM").write_bytes(hashlib.sha256(stored).digest()[:4])
    return target


def with_domains(descriptors: list[bytes], domains: tuple[Domain, ...] = DOMAINS) -> list[bytes]:
    """Return the descriptors with the domains, and with the columns of them."""
    parsed = [protobuf.parse(data) for data in descriptors]
    types = {protobuf.text(protobuf.parse(protobuf.blob(item, 3)), 3): protobuf.parse(protobuf.blob(item, 3)) for item in parsed if 3 in item}
    schemas = {protobuf.text(protobuf.parse(protobuf.blob(item, 4)), 2): protobuf.parse(protobuf.blob(item, 4)) for item in parsed if 4 in item}
    wanted = {}
    for place, domain in enumerate(domains):
        domain.id, domain.base = FIRST_ID + 2 * place, b""
        wanted.update(dict.fromkeys(domain.columns, domain))
    changed = [message((1, _edit(protobuf.blob(item, 1), {8: _column(item, wanted)}))) if 1 in item else data for item, data in zip(parsed, descriptors)]
    numbers = {name: OIDS + protobuf.integer(item, 4) for name, item in types.items()}
    template = types["order_status"]
    made = [data for domain in domains for data in _descriptors(domain, template, protobuf.integer(schemas[domain.schema], 3), numbers)]
    return changed + made


def descriptor_id(data: bytes) -> int:
    """Return the id that a descriptor has."""
    ((kind, (content,)),) = protobuf.parse(data).items()
    return protobuf.integer(protobuf.parse(content), _ID_FIELDS[kind])


def _column(item: protobuf.Message, wanted: dict[str, Domain]) -> Callable[[bytes], bytes]:
    table = protobuf.text(protobuf.parse(protobuf.blob(item, 1)), 1)

    def edited(column: bytes) -> bytes:
        domain = wanted.get(f"{table}.{protobuf.text(protobuf.parse(column), 1)}")
        return _edit(column, {3: lambda kind: _of_domain(kind, domain)}) if domain else column

    return edited


def _of_domain(kind: bytes, domain: Domain) -> bytes:
    """Return a type with the domain's oid; all else of it is the base type's."""
    if 11 in protobuf.parse(kind):
        return _edit(kind, {10: lambda _oid: OIDS + domain.array_id, 11: lambda element: _of_domain(element, domain)})
    domain.base = domain.base or kind
    return _edit(kind, {10: lambda _oid: OIDS + domain.id})


def _descriptors(domain: Domain, template: protobuf.Message, schema_id: int, numbers: dict[str, int]) -> Iterator[bytes]:
    """Yield the domain's descriptor and that of its arrays' type."""
    place: list[Field] = [(1, protobuf.integer(template, 1)), (2, schema_id), (9, 1), (14, protobuf.blob(template, 14))]
    checks = [
        (4, message((1, name.encode()), (2, text.format(**numbers).encode()), (3, number), (4, validity)))
        for number, (name, text, validity) in enumerate(domain.checks, 1)
    ]
    named: list[Field] = [(5, 9), (6, 8), (7, domain.not_null_name.encode())] if domain.not_null_name else []
    part = message((1, domain.base), (2, bool(domain.not_null_name) + 0), (3, domain.default.encode()), *checks, *named, *domain.more)
    yield message((3, message(*place, (3, domain.name.encode()), (4, domain.id), (5, 5), (8, domain.array_id), (21, part))))
    array = message((1, 15), (10, OIDS + domain.array_id), (11, _edit(domain.base, {10: lambda _oid: OIDS + domain.id})))
    yield message((3, message(*place, (3, f"_{domain.name}".encode()), (4, domain.array_id), (5, 1), (7, array))))


def _edit(data: bytes, edits: dict[int, Callable]) -> bytes:
    """Return a message with some of its fields replaced."""
    return message(*[(number, edits[number](value) if number in edits else value) for number, value in _fields(data)])


def _fields(data: bytes) -> Iterator[Field]:
    """Yield the fields of a message in their order. Fixed numbers would be lost, so that they are refused."""
    position = 0
    while position < len(data):
        tag, position = protobuf.varint(data, position)
        assert tag & 7 in (0, 2), "a fixed number"
        value, position = protobuf.varint(data, position)
        if tag & 7 == 2:
            value, position = data[position:position + value], position + value
        yield tag >> 3, value
