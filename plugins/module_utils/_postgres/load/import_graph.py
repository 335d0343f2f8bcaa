# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The transactions that are left of an import after the tables are created, and which of them need which.

A large table is loaded in parallel, chunk by chunk. As soon as its rows are there, its keys are made, then its
indexes, its check constraints and its statistics, while other tables are loaded; a foreign key follows when both of its
tables are ready. Small tables are packed: one transaction does all of that for many of them. Everything else comes
last.

Into tables that the user has made each chunk is loaded by a transaction of its own: they may have triggers, which lock
what this import does not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..._convert.statements import POST_DATA_STEPS, Statement
from ..._dump.manifest import TableEntry
from ..._model.names import clip
from ..target import content as contents
from ..target.lock_room import LOCKS_OF_AN_OBJECT
from .chunk_loader import ChunkTask
from .import_plan import Job
from .statement_runner import Keyed
from .transactions import Transaction

Place = tuple[str, str]
"""Schema and name of a table in PostgreSQL."""
Graph = dict[Transaction, set[Transaction]]
"""Each transaction with those that must have ended before it begins."""

SMALL_TABLE_BYTES = 256 << 10
"""Of COPY text: up to here a table is small."""
PACK_BYTES = 4 << 20
PACK_TABLES = 50
"""What one transaction takes of small tables: after an interruption it is done again, and until its end each of its
objects is locked."""
WHOLE_TABLE_BYTES = 64 << 20
"""Of COPY text: up to here all rows of a table are one transaction, which writes them frozen. Of a larger table each
chunk is one."""
_PACK_STATEMENTS = 100
_LOCKS_OF_A_TABLE = 3
"""Itself, its TOAST table and that one's index."""
_OF_TABLES = ("primary_key", "index", "check")
"""Steps whose statements are about the rows of one table."""
_SHARING = frozenset(("index", "unique_index"))
"""Kinds of statements that lock a table against writing only: several run at a time."""
_LONG = frozenset(("materialized_view", "index", "unique_index"))
"""Kinds of statements that each are a transaction of their own, because of the rows that they read."""


@dataclass
class _Table:
    """What is left to do for a table."""

    entry: TableEntry
    weight: int
    """Bytes of COPY text; none where rows are not loaded."""
    is_packed: bool
    """Whether it shares a transaction with other tables."""
    chunks: list[ChunkTask] = field(default_factory=list)
    statements: list[Keyed] = field(default_factory=list)
    analyzed: bool = False
    locks: int = _LOCKS_OF_A_TABLE
    """At most, in a transaction that works on all of it."""

    @property
    def place(self) -> Place:
        return clip(self.entry.schema), clip(self.entry.name)

    @property
    def is_left(self) -> bool:
        return bool(self.chunks or self.statements or self.analyzed)


def plan_transactions(job: Job, most_locks: int) -> Graph:
    """Return the transactions that are left of a database's import; ``most_locks`` is about how many locks one that
    works on several objects may take."""
    tables, other = _left(job)
    graph: Graph = {}
    ends: dict[Place, set[Transaction]] = {}
    for group in job.groups or [job.entry.tables]:
        _add_tables(
            [tables[clip(entry.schema), clip(entry.name)] for entry in group], graph, ends, job.content, most_locks
        )
    _add_foreign_keys([keyed for keyed in other if keyed[1].step == "foreign_key"], graph, ends, tables, most_locks)
    _add_rest([keyed for keyed in other if keyed[1].step != "foreign_key"], graph, most_locks)
    return graph


def _left(job: Job) -> tuple[dict[Place, _Table], list[Keyed]]:
    """Return what is left of each table, and the statements that are not about the rows of one table."""
    made = []
    for entry in job.entry.tables:
        weight = 0 if job.content == contents.SCHEMA else entry.text_bytes
        made.append(_Table(entry, weight, weight <= SMALL_TABLE_BYTES and job.content != contents.DATA))
    tables = {table.place: table for table in made}
    for task in job.missing_chunks:
        tables[clip(task.table.schema), clip(task.table.name)].chunks.append(task)
    for entry in job.missing_analyze:
        tables[clip(entry.schema), clip(entry.name)].analyzed = True
    for statement in job.statements.values():
        place = statement.schema, statement.table
        if statement.step in _OF_TABLES and place in tables:
            tables[place].locks += 1
    other: list[Keyed] = []
    for key, statement in job.missing(*POST_DATA_STEPS).items():
        place = statement.schema, statement.table
        if statement.step in _OF_TABLES and statement.kind != "domain_check" and place in tables:
            tables[place].statements.append((key, statement))
        else:
            other.append((key, statement))
    return tables, other


def _add_tables(
    tables: Sequence[_Table], graph: Graph, ends: dict[Place, set[Transaction]], content: str, most_locks: int
) -> None:
    """Add what the tables need; ``ends`` gets the transactions after which a table is ready. The tables of an earlier
    call come first: foreign keys that are there already refer to them."""
    earlier = _after(graph)
    left = [table for table in tables if table.is_left]
    for pack in _packs([table for table in left if table.is_packed], most_locks):
        made = Transaction(
            [task for table in pack for task in table.chunks],
            [keyed for table in pack for keyed in table.statements],
            [table.entry for table in pack if table.analyzed],
            weight=sum(table.weight for table in pack),
        )
        graph[made] = earlier
        ends.update({table.place: {made} for table in pack})
    for table in left:
        if not table.is_packed:
            ends[table.place] = _add_large_table(table, graph, earlier, content)


def _after(graph: Graph) -> set[Transaction]:
    """Return what those transactions need that come after all of a graph: one that does nothing, which spares each of
    them to name all."""
    if not graph:
        return set()
    barrier = Transaction()
    graph[barrier] = set(graph)
    return {barrier}


def _packs(tables: Iterable[_Table], most_locks: int) -> Iterator[list[_Table]]:
    """Yield small tables in packs."""
    pack: list[_Table] = []
    for table in tables:
        if pack and (
            len(pack) == PACK_TABLES
            or sum(one.weight for one in pack) + table.weight > PACK_BYTES
            or sum(one.locks for one in pack) + table.locks > most_locks
        ):
            yield pack
            pack = []
        pack.append(table)
    if pack:
        yield pack


def _add_large_table(table: _Table, graph: Graph, earlier: set[Transaction], content: str) -> set[Transaction]:
    """Add a table's transactions: rows, then what locks it alone, its indexes side by side, and its statistics; return
    those after which it is ready."""
    whole = (
        content == contents.ALL and len(table.chunks) == len(table.entry.chunks) and table.weight <= WHOLE_TABLE_BYTES
    )
    packs = [table.chunks] if whole else [[task] for task in table.chunks]
    rows = [Transaction(chunks, fills=whole, weight=table.weight) for chunks in packs if chunks]
    graph.update(dict.fromkeys(rows, earlier))
    keys = [keyed for keyed in table.statements if keyed[1].step != "check" and keyed[1].kind not in _SHARING]
    indexes = [keyed for keyed in table.statements if keyed[1].kind in _SHARING]
    checks = [keyed for keyed in table.statements if keyed[1].step == "check"]
    ready = _add_chain([[keyed] for keyed in keys], graph, set(rows) or earlier, table.weight)
    side_by_side = {made for keyed in indexes for made in _add_chain([[keyed]], graph, ready, table.weight)}
    ready = _add_chain([[keyed] for keyed in checks], graph, side_by_side or ready, table.weight)
    if table.analyzed:
        statistics = Transaction(analyzed=[table.entry], weight=table.weight)
        graph[statistics] = ready
        ready = {statistics}
    return ready


def _add_foreign_keys(
    statements: Sequence[Keyed],
    graph: Graph,
    ends: Mapping[Place, set[Transaction]],
    tables: Mapping[Place, _Table],
    most_locks: int,
) -> None:
    """Add foreign keys, those of small tables packed. Two that share a table never run side by side: each locks both of
    its tables, and they could wait for each other."""
    small: list[Keyed] = []
    large: list[Keyed] = []
    for keyed in statements:
        (small if all(table.is_packed for table in _tables_of([keyed], tables)) else large).append(keyed)
    last = dict(ends)
    for pack in [*_packs_of_keys(small, tables, most_locks), *([keyed] for keyed in large)]:
        places = {place for _key, statement in pack for place in _places(statement)}
        made = Transaction(statements=pack, weight=max((table.weight for table in _tables_of(pack, tables)), default=0))
        graph[made] = {before for place in places for before in last.get(place, ())}
        last.update({place: {made} for place in places})


def _packs_of_keys(
    statements: Iterable[Keyed], tables: Mapping[Place, _Table], most_locks: int
) -> Iterator[list[Keyed]]:
    """Yield foreign keys of small tables in packs: the query that checks one locks its tables' indexes, too."""
    pack: list[Keyed] = []
    for keyed in statements:
        locks = sum(table.locks for table in _tables_of([*pack, keyed], tables))
        if pack and (len(pack) == _PACK_STATEMENTS or locks > most_locks):
            yield pack
            pack = []
        pack.append(keyed)
    if pack:
        yield pack


def _tables_of(statements: Iterable[Keyed], tables: Mapping[Place, _Table]) -> list[_Table]:
    """Return the tables of foreign keys, each once."""
    places = {place for _key, statement in statements for place in _places(statement)}
    return [tables[place] for place in places if place in tables]


def _places(statement: Statement) -> set[Place]:
    """Return the tables of a foreign key."""
    return {(need.schema, need.name) for need in statement.needs if need.kind == "relation"}


def _add_rest(statements: Sequence[Keyed], graph: Graph, most_locks: int) -> None:
    """Add what comes after all tables, in its order."""
    most = max(1, min(_PACK_STATEMENTS, most_locks // LOCKS_OF_AN_OBJECT))
    packs: list[list[Keyed]] = []
    for keyed in statements:
        alone = keyed[1].kind in _LONG
        if alone or not packs or len(packs[-1]) == most or packs[-1][-1][1].kind in _LONG:
            packs.append([])
        packs[-1].append(keyed)
    _add_chain(packs, graph, set(graph), 0)


def _add_chain(
    packs: Iterable[Sequence[Keyed]], graph: Graph, before: set[Transaction], weight: int
) -> set[Transaction]:
    """Add transactions each of which needs the one before it; return the last one, ``before`` if there is none."""
    for pack in packs:
        made = Transaction(statements=pack, weight=weight)
        graph[made] = before
        before = {made}
    return before
