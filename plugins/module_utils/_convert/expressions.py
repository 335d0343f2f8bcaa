# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""CockroachDB's expressions and queries as PostgreSQL text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

from .._errors import UnsupportedError
from .._model.catalog import USER_TYPE_OID_BASE, Function, SqlType, Table, UserType
from .._model.conversion_policies import TEXT
from .._model.domains import domain_type
from .._model.finding_codes import FindingCode
from .._model.full_name import FullName
from .._model.names import clip, quote
from .._model.object_numbers import OBJECT_IDENTIFIERS
from .._model.stored_columns import written_keys
from . import casts, function_calls, functions, spatial_functions, trees
from .context import Context, Relation
from .dialect import UPSERT, generate, name_parts, parse
from .families import Scope, declared_family, family_of
from .row_ids import ROW_ID_FUNCTIONS
from .tokens import FUNCTION_PREFIX, TABLE_PREFIX
from .types import element_of, operand_type

try:
    from sqlglot import exp
except ImportError:  # named by libraries.missing()
    exp = None

_SEQUENCE_FUNCTIONS = frozenset(("nextval", "currval", "setval"))
_REGION_FUNCTIONS = frozenset(("default_to_database_primary_region", "gateway_region"))
_SYSTEM_SCHEMAS = frozenset(("crdb_internal", "pg_extension"))
_POSTGRES_SCHEMAS = frozenset(("pg_catalog", "information_schema"))
_TAKE_CONSTANTS = frozenset(("json", "bytes", "bit"))
"""Families to which || converts an untyped constant."""
_ORDERED_OTHERWISE = {
    "inet": "networks are ordered by their address, in CockroachDB by their mask first",
    "geometry": "geometries have another order",
    "geography": "geographies have another order",
}
_FRACTIONS = ({"interval", "float"}, {"interval", "decimal"})
"""Families of the operands of a product whose parts are rounded separately."""
_TIME_WORDS = frozenset(
    "hour hours min mins minute minutes sec secs second seconds millisecond milliseconds microsecond "
    "microseconds".split()
)
_KNOWN_NODES = frozenset(
    """
Add Alias Aliases All And Anonymous Any Array ArrayContainedBy ArrayContainsAll ArrayOverlaps AtTimeZone Between
BitString BitwiseAnd BitwiseLeftShift BitwiseNot BitwiseOr BitwiseRightShift BitwiseXor Boolean Bracket CTE Case
Cast Collate Column ColumnDef CurrentDate CurrentTime CurrentTimestamp CurrentUser DPipe DataType DataTypeParam
Delete Distance Distinct Div Dot EQ Escape Except Exists Extract Fetch Filter From GT GTE Group GroupConcat
Having HexString ILike Identifier If IgnoreNulls In IntDiv Insert Intersect Interval IntervalSpan Is
JSONBContains JSONBContainsAllTopKeys JSONBContainsAnyTopKeys JSONBContainsTopKey JSONBDeleteAtPath JSONBExtract
JSONBExtractScalar JSONBPathExists JSONExtract JSONExtractScalar JSONPath JSONPathKey JSONPathRoot
JSONPathSubscript Join LT LTE Lateral Like Limit LimitOptions List Literal Localtime Localtimestamp Lock
MatchAgainst Mod Mul NEQ NamedWindow Neg Not Null NullSafeEQ NullSafeNEQ ObjectIdentifier Offset OnConflict
Operator Or Order Ordered Overlay Paren PartitionedByProperty Placeholder Pow RegexpILike RegexpLike Returning
Schema Select SessionUser SetOperation SimilarTo Slice Sqrt Cbrt Star StrPosition Sub Subquery Substring Table
TableAlias TableSample Trim Tuple Union Unnest Update Values Var Where Window WindowSpec With WithinGroup
Parameter
""".split()
)
"""Node types that sqlglot's parser creates from CockroachDB's text without changing its meaning."""


RowId = Callable[[str], Any]

_EXTENSIONS_OF_TYPES = {"geometry": "postgis", "geography": "postgis", "vector": "vector", "ltree": "ltree"}
"""Types of extensions; without the extension the column becomes text, which the type's operators and functions do not
accept."""
_OPERATIONS = (
    ()
    if exp is None
    else (
        exp.Binary,
        exp.In,
        exp.Between,
        exp.Any,
        exp.All,
        exp.Anonymous,
        exp.Case,
        exp.If,
        exp.Coalesce,
        exp.Paren,
        exp.Tuple,
        exp.Array,
    )
)
ADDED_TYPE = "added_type"
"""Marks a user-defined type."""
TO_BASE = "to_base"
"""Marks the cast of a domain to its base type, which converts nothing."""
_TAKE_TEXT = () if exp is None else (exp.EQ, exp.NEQ, exp.Is, exp.NullSafeEQ, exp.NullSafeNEQ, exp.In)


@dataclass
class Expression:
    """A converted expression: its PostgreSQL text and its tree."""

    sql: str
    tree: Any
    calls: frozenset[int] = frozenset()
    """Ids of the user-defined functions that it calls."""


@dataclass
class _Converter:
    context: Context
    where: FullName
    scope: Scope = field(default_factory=Scope)
    row_id: Optional[RowId] = None
    """Returns the replacement of a call of unique_rowid() or unordered_unique_rowid()."""
    is_query: bool = False
    differences: list[str] = field(default_factory=list)
    calls: set[int] = field(default_factory=set)
    derived_tables: int = 0
    """Number of queries in FROM that were given an alias."""

    def convert(self, node: Any) -> Any:
        """Return a converted copy of a part."""
        return node.copy().transform(self.node)

    def family(self, node: Any) -> str:
        """Return CockroachDB's type of an unconverted part, '' when it is not known."""
        return family_of(node, self.scope)

    def differs(self, difference: str) -> None:
        """Note that PostgreSQL's result may not be quite the same."""
        if difference not in self.differences:
            self.differences.append(difference)

    def refusal(self, reason: str) -> UnsupportedError:
        """Return the error for what has no counterpart."""
        return UnsupportedError(f"{self.where}: {reason}")

    def node(self, node: Any) -> Any:
        """Convert one node; its replacement is not visited again."""
        if type(node).__name__ not in _KNOWN_NODES:
            raise self.refusal(f"{type(node).__name__} has no known counterpart in PostgreSQL: {node.sql('postgres')}")
        handler = _HANDLERS.get(type(node))
        return handler(self, node) if handler is not None else node

    def _column(self, node: Any) -> Any:
        if node.name.lower() == "default" and not node.table and not node.this.args.get("quoted"):
            return exp.Var(this="DEFAULT")
        self._require_number(node)
        if node.name.lower() == "tg_argv":
            self.differs("TG_ARGV counts from 0, in CockroachDB before v25.1 from 1")
        if isinstance(node.parent, (exp.Anonymous, exp.Binary, exp.Cast)) and not isinstance(node.parent, _TAKE_TEXT):
            kind = self.scope.find(node)
            extension = _EXTENSIONS_OF_TYPES.get(declared_family(kind).removesuffix("[]")) if kind else None
            if extension:
                self.need(extension, f"the column {node.name}")
        node.set("catalog", None)
        kind = self.scope.find(node) if _is_operand(node) else None
        base = operand_type(kind, self.context, self.where) if kind else ""
        if not base:
            return node
        for part in node.parts:
            self._identifier(part)
        return _to_base(node, base)

    def _require_number(self, node: Any) -> None:
        """Refuse calculations with an object identifier that becomes text."""
        kind = self.scope.find(node) if self.context.options.policies.object_identifiers == TEXT else None
        if (
            kind is not None
            and element_of(kind).oid in OBJECT_IDENTIFIERS
            and not isinstance(node.parent, (exp.Select, exp.Alias, exp.Is, exp.Group))
        ):
            raise self.refusal(f"it computes with the object identifiers of {node.name}, which become text")

    def _distance(self, node: Any) -> Any:
        self.need("vector", "the distance of vectors")
        return node

    def _identifier(self, node: Any) -> Any:
        """Fold unquoted names to lower case, as CockroachDB does."""
        node.set("this", clip(node.name if node.args.get("quoted") else node.name.lower()))
        return node

    def _current_time(self, node: Any) -> Any:
        return exp.Var(this="CURRENT_TIME")

    def _limited(self, node: Any) -> Any:
        if node.args.get("limit") or node.args.get("order"):
            raise self.refusal(f"{type(node).__name__.upper()} with ORDER BY or LIMIT has no counterpart in PostgreSQL")
        return node

    def _grouped(self, node: Any) -> Any:
        """Refuse labels of tuples, which only CockroachDB has."""
        if any(isinstance(part, exp.Alias) for part in (node.this, *node.expressions)):
            raise self.refusal(f"a tuple with labels has no counterpart in PostgreSQL: {node.sql('postgres')}")
        return node

    def _quantified(self, node: Any) -> Any:
        if not isinstance(node.this, (exp.Paren, exp.Subquery, exp.Select)):
            node.set("this", exp.Paren(this=node.this))
        return node

    def _hexadecimal(self, node: Any) -> Any:
        return _bytes(node.name)

    def _sum(self, node: Any) -> Any:
        """Days that are added to a date and positions taken out of JSON are 4-byte integers; INT2 and INT4 are added as
        INT8 in CockroachDB."""
        left, right = self.family(node.this), self.family(node.expression)
        if {left, right} in _FRACTIONS and not any(_is_time_of_day(side) for side in (node.this, node.expression)):
            self.differs("fractions of months and days become other days and hours")
        if left in ("date", "json") and right == "int":
            node.set("expression", _as_integer(node.expression))
        elif right == "date" and left == "int":
            node.set("this", _as_integer(node.this))
        elif self._is_narrow(node.this) and self._is_narrow(node.expression):
            node.set("this", trees.cast(node.this.copy(), "bigint"))
        return node

    def _is_narrow(self, node: Any) -> bool:
        node = node.unnest()
        if isinstance(node, (exp.Neg, exp.Add, exp.Sub, exp.Mul)):
            return all(self._is_narrow(part) for part in (node.this, node.args.get("expression")) if part is not None)
        if isinstance(node, exp.Literal):
            return bool(node.is_int)
        kind = self.scope.find(node) if isinstance(node, exp.Column) else None
        return kind is not None and kind.family == "int" and kind.width in (16, 32)

    def _position_in_json(self, node: Any) -> Any:
        if self.family(node.expression) == "int":
            node.set("expression", _as_integer(node.expression))
        return node

    def _shift(self, node: Any) -> Any:
        if self.family(node.this) != "inet" and self.family(node.expression) in ("int", ""):
            node.set("expression", _as_integer(node.expression))
        if self._is_narrow(node.this):
            node.set("this", trees.cast(node.this.copy(), "bigint"))
        return node

    def _concatenation(self, node: Any) -> Any:
        """A string takes the text of anything else, which PostgreSQL writes otherwise for some types."""
        sides = [(key, self.family(node.args[key])) for key in ("this", "expression")]
        if any(trees.is_null(node.args[key]) for key, _family in sides) and any(
            family.endswith("[]") for _key, family in sides
        ):
            raise self.refusal("|| of an array and NULL is NULL in CockroachDB, and the array in PostgreSQL")
        if any(isinstance(node.args[key], exp.Literal) for key, _family in sides) and any(
            family in _TAKE_CONSTANTS for _key, family in sides
        ):
            return node
        if "string" not in [family for _key, family in sides]:
            return node
        for key, family in sides:
            if family == "uuid":
                raise self.refusal("a string and a UUID make another text in PostgreSQL")
            if family not in ("string", "") and not family.endswith("[]"):
                node.set(key, exp.Cast(this=node.args[key].copy(), to=exp.DataType.build("text")))
        return node

    def _substring(self, node: Any) -> Any:
        if node.args.get("start") is not None and self.family(node.args["start"]) == "string":
            raise self.refusal("substring() by a regular expression has no safe counterpart in PostgreSQL")
        for part in ("start", "length"):
            if node.args.get(part) is not None and self.family(node.args[part]) in ("int", ""):
                node.set(part, _as_integer(node.args[part]))
        return node

    def _overlay(self, node: Any) -> Any:
        for part in ("from_", "from", "for_", "for"):
            if isinstance(node.args.get(part), exp.Expression):
                node.set(part, _as_integer(node.args[part]))
        return node

    def _subscript(self, node: Any) -> Any:
        """Arrays begin at 1 on both sides; sqlglot counts from 0 unless it is told the offset."""
        node.set(
            "expressions", [_as_integer(item) if self.family(item) == "int" else item for item in node.expressions]
        )
        node.set("offset", 1)
        return node

    def _comparison(self, node: Any) -> Any:
        for family in (self.family(node.this), self.family(node.expression)):
            if family in _ORDERED_OTHERWISE:
                self.differs(_ORDERED_OTHERWISE[family])
            elif family.endswith("[]"):
                self.differs("NULL in an array is greater than a value, in CockroachDB smaller")
        return node

    def _pattern(self, node: Any) -> Any:
        """~ of geometries asks whether one's box contains the other's."""
        if "geometry" in (self.family(node.this), self.family(node.expression)):
            self.need("postgis", "the type geometry")
            return node
        function_calls.check_pattern(node.expression, self)
        return node

    def _power(self, node: Any) -> Any:
        return self._function(trees.call("power", node.this, node.expression))

    def _integer_division(self, node: Any) -> Any:
        families = {self.family(node.this), self.family(node.expression)}
        template = (
            "trunc(_0 / _1)"
            if "float" in families
            else "div(_0, _1)"
            if "decimal" in families
            else "_0 / _1"
            if families == {"int"}
            else ""
        )
        if not template:
            raise self.refusal("// of operands whose types are not known has no safe counterpart in PostgreSQL")
        left, right = self.convert(node.this), self.convert(node.expression)
        if families == {"int"}:
            return exp.Div(this=left, expression=right, typed=True)
        return trees.filled(template, left, right)

    def _modulo(self, node: Any) -> Any:
        if "float" in (self.family(node.this), self.family(node.expression)):
            raise self.refusal("% of floats has no counterpart in PostgreSQL")
        return node

    def _extract(self, node: Any) -> Any:
        return trees.call("date_part", exp.Literal.string(node.name.lower()), self.convert(node.expression))

    def _qualified(self, node: Any) -> Any:
        """A function with its schema, or a field of a composite value. PostgreSQL compares whole rows without the star
        that spreads them."""
        if isinstance(node.expression, exp.Star) and isinstance(node.parent, exp.Predicate):
            return node.this.unnest()
        if not isinstance(node.expression, exp.Anonymous):
            return node
        schema = node.this.parts[-1].name if isinstance(node.this, exp.Dot) else node.this.name
        if schema == "pg_catalog":
            return self._function(node.expression)
        if schema in _SYSTEM_SCHEMAS:
            raise self.refusal(f"the function {schema}.{node.expression.name} is CockroachDB's own")
        return self._routine(node.expression, *self._routines_by_name(schema, node.expression))

    def _routines_by_name(self, schema: str, call: Any) -> list[Function]:
        """Return the functions of this name in the first schema that has one, restricted to those with as many
        parameters if there are any."""
        found = [
            function
            for function in self.context.database.functions
            if function.name == call.name and (not schema or self.context.schemas[function.schema_id] == clip(schema))
        ]
        if not found:
            raise self.refusal(
                f"the function {schema}.{call.name} is not in the backup"
                if schema
                else f"the function {call.name} has no known counterpart in PostgreSQL"
            )
        overloads = [function for function in found if function.schema_id == found[0].schema_id]
        return [function for function in overloads if len(function.parameters) == len(call.expressions)] or overloads

    def _routine(self, node: Any, function: Function, *others: Function) -> Any:
        """Return the call of a function; ``others`` are overloads of it that may be meant as well."""
        for item in (function, *others):
            if item.id in self.context.missing_functions:
                raise self.refusal(f"it calls the function {item.name}, which is omitted")
            self.calls.add(item.id)
        name = quote(self.context.schemas[function.schema_id], clip(function.name))
        return exp.Anonymous(this=name, expressions=[self.convert(argument) for argument in node.expressions])

    def _cast(self, node: Any) -> Any:
        target = node.args["to"]
        if isinstance(target, exp.DataType) and _type_oid(target):
            return self._user_type_cast(node, _type_oid(target))
        if target.name.upper() == "REGCLASS" and isinstance(node.this, exp.Literal):
            return _regclass(self._relation(node.this))
        return exp.Cast(this=casts.converted_value(node, self), to=self.convert(target))

    def _user_type_cast(self, node: Any, oid: int) -> Any:
        array = next(
            (
                item
                for item in self.context.database.types
                if item.array_type_id and item.array_type_id == oid - USER_TYPE_OID_BASE
            ),
            None,
        )
        user_type = array or self.context.user_type_of_oid(oid, self.where)
        value = node.this
        if isinstance(value, exp.HexString):
            value = exp.Literal.string(_label(user_type, value.name, self.context, self.where))
        else:
            value = self.convert(value)
        made = exp.Cast(this=value, to=_added_type(self.context.qualified(user_type) + ("[]" if array else "")))
        if user_type.kind != "domain" or not _is_operand(node):
            return made
        kind = SqlType("array", element=domain_type(user_type)) if array else domain_type(user_type)
        base = operand_type(kind, self.context, self.where)
        return _to_base(made, base) if base else made

    def _sequence(self, value: Any) -> str:
        """Return the quoted name of the sequence that a constant names."""
        return self._named(value, self.context.database.sequences, "sequence")

    def _relation(self, value: Any) -> str:
        """Return the quoted name of the relation that a REGCLASS names. Only queries may name tables, as they are
        created after all tables."""
        database = self.context.database
        if not self.is_query:
            return self._named(value, database.sequences, "sequence")
        return self._named(value, [*database.sequences, *database.tables, *database.views], "relation")

    def _named(self, value: Any, relations: Sequence[Relation], what: str) -> str:
        if not value.is_string:
            found = next((item for item in relations if item.id == int(value.name)), None)
            if found is None:
                raise self.refusal(f"the {what} with the id {value.name} is not in the backup")
            return self.context.qualified(found)
        parts = name_parts(value.name)
        if len(parts) == 3 and parts[0] != self.context.database.name:
            raise self.refusal(f"the {what} {value.name} is in another database")
        found = self.context.named(relations, parts[-2] if len(parts) > 1 else "", parts[-1]) if parts else None
        if found is None and len(parts) == 2 and parts[0] == self.context.database.name:
            # Old releases name a sequence by its database, too.
            found = self.context.named(relations, "public", parts[-1])
        if found is None:
            raise self.refusal(f"the {what} {value.name} is not in the backup")
        return self.context.qualified(found)

    def _function(self, node: Any) -> Any:
        name = node.name.lower()
        if node.name.startswith(FUNCTION_PREFIX):
            return self._routine(node, self.context.function_of_oid(int(node.name[len(FUNCTION_PREFIX) :]), self.where))
        if name in ROW_ID_FUNCTIONS and self.row_id is not None:
            return self.row_id(name)
        if name in _REGION_FUNCTIONS:
            return self._region(name)
        if name in functions.KEYWORDS and not node.expressions:
            return exp.Var(this=functions.KEYWORDS[name])
        if name in functions.WITH_PRECISION and len(node.expressions) == 1:
            return self._time_of_precision(node, name)
        if name in _SEQUENCE_FUNCTIONS and node.expressions:
            return self._sequence_function(node, name)
        made = function_calls.rewritten(node, name, self)
        if made is not None:
            return made
        renamed = functions.RENAMED.get(name) or spatial_functions.RENAMED.get(name, name)
        if not function_calls.is_known(renamed):
            return self._routine(node, *self._routines_by_name("", node))
        arguments = [self.convert(argument) for argument in node.expressions]
        for position in self._integer_arguments(renamed, node.expressions):
            arguments[position] = _as_integer(arguments[position])
        return exp.Anonymous(this=renamed, expressions=arguments)

    def _time_of_precision(self, node: Any, name: str) -> Any:
        """Return CURRENT_TIMESTAMP(n) and the like, whose number of digits has to be a constant in PostgreSQL."""
        digits = _as_integer(node.expressions[0])
        if not isinstance(digits, exp.Literal):
            raise self.refusal(f"{name}() with a computed number of digits has no counterpart in PostgreSQL")
        return exp.Var(this=f"{functions.KEYWORDS[name]}({digits.name})")

    def _region(self, name: str) -> Any:
        """Replace the region of the gateway node by the primary region: PostgreSQL has only one place."""
        region = self.context.database.primary_region
        if not region:
            raise self.refusal(f"{name}() needs the database's primary region, which is not known")
        self.differs(f"{name}() is always {region}, the primary region")
        return exp.Literal.string(region)

    def _integer_arguments(self, name: str, arguments: list[Any]) -> list[int]:
        """Return the positions of INT8 arguments that PostgreSQL wants as 32-bit integers; PostGIS has no others."""
        if spatial_functions.is_spatial(name):
            return [position for position, argument in enumerate(arguments) if self.family(argument) == "int"]
        return [position for position in functions.INTEGER_ARGUMENTS.get(name, ()) if position < len(arguments)]

    def _sequence_function(self, node: Any, name: str) -> Any:
        """Return nextval() and the like with the sequence's name as a regclass constant; the argument may be a typed or
        untyped literal, or converted already."""
        value = node.expressions[0]
        while isinstance(value, (exp.Cast, exp.Paren)) and not _is_regclass(value):
            value = value.this
        if isinstance(value, exp.Literal):
            node.set(
                "expressions",
                [_regclass(self._sequence(value)), *[self.convert(argument) for argument in node.expressions[1:]]],
            )
        elif not _is_regclass(value):
            raise UnsupportedError(f"{self.where}: {name} of a sequence that is not named by a constant")
        node.set("this", name)
        return node

    def _type(self, node: Any) -> Any:
        oid = _type_oid(node)
        if oid:
            return _added_type(self.context.qualified(self.context.user_type_of_oid(oid, self.where)))
        kinds = exp.DataType.Type
        parameters = ", ".join(part.sql() for part in node.expressions)
        if isinstance(node.args.get("kind"), exp.Var):
            return node
        if node.this == kinds.USERDEFINED:
            return self._type_by_name(node, f"({parameters})" if parameters else "")
        if node.this in (kinds.TEXT, kinds.VARCHAR, kinds.CHAR):
            # CHAR is not padded in CockroachDB.
            length = parameters or ("1" if node.this == kinds.CHAR else "")
            return _named_type(f"VARCHAR({length})") if length else node
        if node.this == kinds.INTERVAL and parameters:
            return _named_type(f"interval({parameters})")
        if node.this == kinds.JSON:
            node.set("this", kinds.JSONB)
        elif node.this in (kinds.GEOMETRY, kinds.GEOGRAPHY):
            self.need("postgis", f"the type {node.sql('postgres')}")
        elif node.this == kinds.VECTOR:
            self.need("vector", f"the type {node.sql('postgres')}")
        return node

    def _type_by_name(self, node: Any, parameters: str) -> Any:
        kind = node.args["kind"]
        names = [part.name for part in kind.parts][-2:] if isinstance(kind, exp.Dot) else [kind.name]
        built_in = casts.built_in_type(names[-1]) if len(names) == 1 else None
        if built_in:
            if built_in in ("box2d", "citext", "ltree"):
                self.need("postgis" if built_in == "box2d" else built_in, f"the type {node.sql('postgres')}")
            return _named_type(built_in + parameters)
        for item in self.context.database.types:
            if item.name == names[-1] and (len(names) == 1 or self.context.schema(item) == clip(names[0])):
                return _added_type(self.context.qualified(item))
        raise self.refusal(f"the type {'.'.join(names)} is not in the backup")

    def need(self, extension: str, what: str) -> None:
        """Require an extension. Raises UnsupportedError if the server does not have it."""
        if not self.context.use_extension(extension):
            raise self.refusal(f"it needs {what}, and the server does not have the extension {extension}")

    def _table(self, node: Any) -> Any:
        if node.name.startswith(TABLE_PREFIX):
            relation = self.context.relations.get(int(node.name[len(TABLE_PREFIX) :]))
            if relation is None:
                raise self.refusal(f"the table with the id {node.name[len(TABLE_PREFIX) :]} is not in the backup")
            node.set("this", exp.to_identifier(clip(relation.name), quoted=True))
            node.set("db", exp.to_identifier(self.context.schema(relation), quoted=True))
            return node
        schema = node.args.get("db")
        if schema is not None and isinstance(node.this, exp.Anonymous):
            return self._table_function(node)
        if schema is not None and schema.name in _SYSTEM_SCHEMAS:
            raise self.refusal(f"it reads CockroachDB's own table {schema.name}.{node.name}")
        elif schema is not None and schema.name in _POSTGRES_SCHEMAS:
            self.differs(f"{schema.name}.{node.name} describes PostgreSQL's own objects")
        self._check_database(node)
        node.set("catalog", None)
        return node

    def _derived_table(self, node: Any) -> Any:
        """A query in FROM needs an alias before PostgreSQL 16; a join in parentheses must have none, for it would hide
        its tables."""
        if (
            isinstance(node.parent, (exp.From, exp.Join))
            and not node.alias
            and isinstance(node.unnest(), (exp.Select, exp.SetOperation, exp.Values))
        ):
            self.derived_tables += 1
            node.set("alias", exp.TableAlias(this=exp.to_identifier(f"derived_{self.derived_tables}", quoted=True)))
        return node

    def _check_database(self, table: Any) -> None:
        catalog = table.args.get("catalog")
        if catalog is not None and catalog.name != self.context.database.name:
            raise self.refusal(
                f"it reads the other database {catalog.name}, and PostgreSQL's queries stay in one database"
            )

    def _table_function(self, node: Any) -> Any:
        """Convert a function in FROM; it becomes another node, so that its arguments are not converted twice."""
        self._check_database(node)
        parts = {key: value for key, value in node.args.items() if key not in ("this", "db", "catalog")}
        made = {
            key: [self.convert(item) for item in value]
            if isinstance(value, list)
            else self.convert(value)
            if isinstance(value, exp.Expression)
            else value
            for key, value in parts.items()
        }
        return exp.Table(
            this=self._qualified(exp.Dot(this=node.args["db"].copy(), expression=node.this.copy())), **made
        )

    def _collate(self, node: Any) -> Any:
        if not isinstance(node.expression, (exp.Var, exp.Identifier, exp.Column)):
            return node
        collation = self.context.collation(node.expression.name, self.where)
        value = self.convert(node.this)
        return exp.Collate(this=value, expression=exp.Var(this=collation)) if collation else value

    def _division(self, node: Any) -> Any:
        """Integers divided give a decimal in CockroachDB and an integer in PostgreSQL."""
        left, right = self.family(node.this), self.family(node.expression)
        if left in ("int", "decimal") and right in ("int", "decimal"):
            self.differs("a quotient of decimals has another number of digits")
            if left == "int" or not isinstance(node.this.unnest(), (exp.Column, exp.Cast)):
                node.set("this", exp.Cast(this=exp.Paren(this=node.this), to=exp.DataType.build("decimal")))
        elif not left and not right or {left, right} == {"int", ""}:
            self.context.find(FindingCode.DIVISION, self.where)
        return node

    def _conflict(self, node: Any) -> Any:
        """Drop the order of the keys of ON CONFLICT."""
        for item in node.args.get("conflict_keys") or []:
            if isinstance(item, exp.Ordered):
                item.replace(item.this)
        return node


_HANDLERS: dict[Any, Callable[[_Converter, Any], Any]] = (
    {}
    if exp is None
    else {
        exp.Add: _Converter._sum,
        exp.All: _Converter._quantified,
        exp.Anonymous: _Converter._function,
        exp.Any: _Converter._quantified,
        exp.BitwiseLeftShift: _Converter._shift,
        exp.BitwiseRightShift: _Converter._shift,
        exp.Bracket: _Converter._subscript,
        exp.Cast: _Converter._cast,
        exp.Collate: _Converter._collate,
        exp.Column: _Converter._column,
        exp.CurrentTime: _Converter._current_time,
        exp.DataType: _Converter._type,
        exp.Delete: _Converter._limited,
        exp.Distance: _Converter._distance,
        exp.Operator: _Converter._distance,
        exp.DPipe: _Converter._concatenation,
        exp.Div: _Converter._division,
        exp.Dot: _Converter._qualified,
        exp.Extract: _Converter._extract,
        exp.HexString: _Converter._hexadecimal,
        exp.Identifier: _Converter._identifier,
        exp.IntDiv: _Converter._integer_division,
        exp.JSONExtract: _Converter._position_in_json,
        exp.JSONExtractScalar: _Converter._position_in_json,
        exp.Mod: _Converter._modulo,
        exp.Mul: _Converter._sum,
        exp.OnConflict: _Converter._conflict,
        exp.Overlay: _Converter._overlay,
        exp.Pow: _Converter._power,
        exp.RegexpILike: _Converter._pattern,
        exp.RegexpLike: _Converter._pattern,
        exp.SimilarTo: _Converter._pattern,
        exp.Paren: _Converter._grouped,
        exp.Sub: _Converter._sum,
        exp.Subquery: _Converter._derived_table,
        exp.Substring: _Converter._substring,
        exp.Table: _Converter._table,
        exp.Tuple: _Converter._grouped,
        exp.Update: _Converter._limited,
        exp.Values: _Converter._derived_table,
        **dict.fromkeys((exp.GT, exp.GTE, exp.LT, exp.LTE), _Converter._comparison),
    }
)


def convert(
    text: str,
    context: Context,
    where: FullName,
    columns: Optional[dict[str, SqlType]] = None,
    row_id: Optional[RowId] = None,
    exact: bool = False,
) -> Expression:
    """Return an expression or a query in PostgreSQL's SQL.

    ``columns`` gives the types of the table's columns, so that operators keep their meaning. ``row_id`` is called with
    the name of each unique_rowid() or unordered_unique_rowid() in the text, and returns the tree of the call that
    stands for it. What PostgreSQL computes a little otherwise is a finding, or refused when the result must be
    ``exact``. Raises UnsupportedError, naming ``where``, for text or a function that has no known counterpart.
    """
    tree = parse(text, where)
    converter = _Converter(context, where, _scope(tree, context, columns or {}), row_id, isinstance(tree, exp.Query))
    if tree.meta.get(UPSERT):
        _add_conflict(tree, converter)
    tree = tree.transform(converter.node)
    if converter.differences and exact:
        raise converter.refusal("; ".join(converter.differences))
    if converter.differences:
        context.find(
            FindingCode.EXPRESSION_DIFFERS,
            where,
            f"PostgreSQL's result of the expression is not always the same: {'; '.join(converter.differences)}.",
        )
    return Expression(generate(tree), tree, frozenset(converter.calls))


def _scope(tree: Any, context: Context, columns: dict[str, SqlType]) -> Scope:
    """Return the columns that the text can name: those given, and those of the tables that it reads."""
    scope = Scope(dict(columns))
    clashes: set[str] = set()
    for table in tree.find_all(exp.Table):
        relation = context.relation_named(table.db, table.name)
        for column in relation.columns if relation is not None else []:
            scope.qualified[table.alias or table.name, column.name] = column.type
            known = scope.columns.setdefault(column.name, column.type)
            if declared_family(known) != declared_family(column.type):
                clashes.add(column.name)
    for alias in tree.find_all(exp.Alias):
        family = family_of(alias.this, scope)
        if family and alias.alias not in scope.columns:
            scope.columns[alias.alias] = SqlType(family)
        elif alias.alias in scope.columns and declared_family(scope.columns[alias.alias]) != family:
            clashes.add(alias.alias)
    for alias in tree.find_all(exp.TableAlias):
        clashes |= {column.name for column in alias.args.get("columns") or []}
    for name in clashes:
        scope.columns.pop(name, None)
    return scope


def _add_conflict(tree: Any, converter: _Converter) -> None:
    """Add ON CONFLICT … DO UPDATE for an UPSERT, which replaces the row with the same primary key."""
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    table = converter.context.relation_named(target.db, target.name)
    if not isinstance(table, Table):
        raise converter.refusal(f"UPSERT into {target.name}, which is not a table of the backup")
    columns = converter.context.columns(table)
    keys = [columns[part.column_id].name for part in written_keys(table.primary_index, columns)]
    written = (
        [item.name for item in tree.this.expressions]
        if isinstance(tree.this, exp.Schema)
        else [
            column.name
            for column in table.columns
            if not column.hidden and not column.inaccessible and not column.computed
        ]
    )
    sets = [
        exp.EQ(this=exp.column(name, quoted=True), expression=exp.column(name, table="excluded", quoted=True))
        for name in written
        if name not in keys
    ]
    action = "DO UPDATE" if sets else "DO NOTHING"
    tree.set(
        "conflict",
        exp.OnConflict(
            conflict_keys=[exp.to_identifier(name, quoted=True) for name in keys],
            action=exp.Var(this=action),
            expressions=sets,
        ),
    )


def _type_oid(node: Any) -> int:
    kind = node.args.get("kind")
    if isinstance(kind, exp.Var) and kind.name.startswith("@"):
        return int(kind.name[1:])
    return 0


def _as_integer(node: Any) -> Any:
    """Return the value as a 32-bit integer: a constant without its cast to INT8, anything else cast."""
    inner = node.unnest()
    if isinstance(inner, exp.Cast) and isinstance(inner.this, exp.Literal) and not inner.this.is_string:
        return inner.this
    if isinstance(inner, exp.Literal):
        return inner
    return exp.Cast(this=node.copy(), to=_named_type("integer"))


def _is_time_of_day(node: Any) -> bool:
    """Whether the node is a constant interval of hours, minutes and seconds only (1-2 is a year and two months)."""
    text = trees.constant_text(node)
    if text is None or "-" in text.lstrip("+-"):
        return False
    return _TIME_WORDS.issuperset(
        "".join(character if character.isalpha() else " " for character in text.lower()).split()
    )


def _added_type(name: str) -> Any:
    """Return a user-defined type, marked as such."""
    made = _named_type(name)
    made.meta[ADDED_TYPE] = True
    return made


def _named_type(name: str) -> Any:
    return exp.DataType(this=exp.DataType.Type.USERDEFINED, kind=exp.Var(this=name))


def _is_regclass(node: Any) -> bool:
    return isinstance(node, exp.Cast) and node.args["to"].name.upper() == "REGCLASS"


def next_value(sequence: str) -> Any:
    """Return nextval() of a sequence, by its quoted name."""
    return exp.Anonymous(this="nextval", expressions=[_regclass(sequence)])


def _regclass(name: str) -> Any:
    return exp.Cast(this=exp.Literal.string(name), to=_named_type("regclass"))


def _bytes(digits: str) -> Any:
    return exp.Cast(this=exp.Literal.string("\\x" + digits), to=_named_type("bytea"))


def _is_operand(node: Any) -> bool:
    """Whether the node is an operand of an operator, comparison or function; a column to which UPDATE assigns is
    not."""
    parent = node.parent
    assigned = (
        isinstance(parent, exp.EQ)
        and isinstance(parent.parent, (exp.Update, exp.OnConflict))
        and node.arg_key == "this"
    )
    return isinstance(parent, _OPERATIONS) and not isinstance(parent, exp.Dot) and not assigned


def _to_base(value: Any, base: str) -> Any:
    made = exp.Cast(this=value, to=_added_type(base))
    made.meta[TO_BASE] = True
    return made


def _label(user_type: UserType, physical: str, context: Context, where: FullName) -> str:
    if user_type.base is not None and user_type.base.user_type_id in context.types:
        user_type = context.types[user_type.base.user_type_id]
    for member in user_type.members:
        if member.physical == physical.lower():
            return member.name
    raise UnsupportedError(f"{where}: the enum {user_type.name} has no value x'{physical}'")


def column_names(text: str, where: object) -> set[str]:
    """Return the names of the columns in an unconverted expression, as CockroachDB keeps them."""
    columns = [node for node in parse(text, where).find_all(exp.Column) if isinstance(node.this, exp.Identifier)]
    return {node.name if node.this.args.get("quoted") else node.name.lower() for node in columns}


def reads_relations(tree: Any) -> bool:
    """Whether a converted query names a table or view."""
    return any(not isinstance(table.this, exp.Anonymous) for table in tree.find_all(exp.Table))


def column_types(columns: Any) -> dict[str, SqlType]:
    """Return name to type, for convert() by CockroachDB's names, for what it returns by PostgreSQL's."""
    return {name: column.type for column in columns for name in (column.name, clip(column.name))}
