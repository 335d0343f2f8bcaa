# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""CockroachDB's expressions and queries as PostgreSQL text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable, Optional, Union

from ..._errors import UnsupportedError
from ..._model.catalog import REGION_TYPE, USER_TYPE_OID_BASE, Column, Function, SqlType, Table, UserType, View
from ..._model.conversion_policies import TEXT
from ..._model.domains import domain_type
from ..._model.finding_codes import FindingCode
from ..._model.full_name import FullName
from ..._model.names import clip, quote
from ..._model.object_numbers import OBJECT_IDENTIFIERS
from ..._model.postgres_limits import MAX_ARGUMENTS
from ..context import Context, Relation
from ..row_ids import ROW_ID_FUNCTIONS, row_id_function
from ..types import element_of, operand_type, type_name
from . import (
    added_functions,
    casts,
    function_calls,
    functions,
    null_order,
    operators,
    query_tables,
    spatial_functions,
    text_order,
    trees,
)
from .column_references import require_columns
from .dialect import UPSERT, generate, name_parts, parse
from .families import Scope, declared_family, family_of
from .long_chains import exceeds_levels, halve_long_chains
from .nesting import TOO_DEEP, deep
from .query_tables import SYSTEM_SCHEMAS, add_conflict, scope_of
from .tokens import FUNCTION_PREFIX
from .trees import ADDED_COLLATION, as_integer, is_regclass, named_type, regclass, type_oid
from .untyped_arrays import cast_choices_of_strings, cast_untyped_arrays
from .visible_columns import name_visible_columns, row_type

try:
    from sqlglot import exp
except ImportError:  # named by libraries.missing()
    exp = None

_WITHOUT_LIMIT = frozenset(("coalesce", "greatest", "least"))
"""PostgreSQL has these as syntax, which takes any number of arguments."""
_REGION_FUNCTIONS = frozenset(("default_to_database_primary_region", "gateway_region"))
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
Parameter RawString
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
ROWS_OF_RELATION = "rows_of_relation"
"""Marks the type of a table's or view's rows, which has to be there before what uses the type."""
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
    differences: tuple[str, ...] = ()
    """How PostgreSQL's result may not be the same."""


@dataclass(frozen=True)
class Use:
    """What the value of an expression is for."""

    result: Optional[Union[SqlType, str]] = None
    """The type of the column, parameter or variable that gets it, or PostgreSQL's text of the type."""
    row_id: Optional[RowId] = None
    """Returns, for the name of each unique_rowid() or unordered_unique_rowid() in the text, the tree of the call that
    stands for it."""
    differences_known: bool = False
    """Whether a finding about the column says already that PostgreSQL's result is another one."""


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
    narrow: dict[int, tuple[Any, bool]] = field(default_factory=dict)
    """Calculations by their identity, and whether their values are INT2 or INT4 (see operators.py)."""
    derived_tables: int = 0
    """Number of queries in FROM that were given an alias."""

    def convert(self, node: Any) -> Any:
        """Return a converted copy of a part."""
        return trees.transformed(node.copy(), self.node)

    def convert_in_place(self, node: Any) -> Any:
        """Return a converted part, of which nobody needs the unconverted form any more: to copy each of many nested
        parts takes a quadratic time."""
        node.parent = node.arg_key = node.index = None
        return trees.transformed(node, self.node)

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

    def _identifier(self, node: Any) -> Any:
        """Fold unquoted names to lower case, as CockroachDB does."""
        node.set("this", clip(node.name if node.args.get("quoted") else node.name.lower()))
        return node

    def _literal(self, node: Any) -> Any:
        if "\0" in node.name:
            raise self.refusal("it holds the character U+0000, which PostgreSQL's text cannot hold")
        return node

    def _dollar_quoted(self, node: Any) -> Any:
        return self._literal(exp.Literal.string(node.name))

    def _current_time(self, node: Any) -> Any:
        return exp.Var(this="CURRENT_TIME")

    def _power(self, node: Any) -> Any:
        return self._function(trees.call("power", node.this, node.expression))

    def qualified(self, node: Any) -> Any:
        """A function with its schema, or a field of a composite value. PostgreSQL compares whole rows without the star
        that spreads them."""
        if isinstance(node.expression, exp.Star) and isinstance(node.parent, exp.Predicate):
            return node.this.unnest()
        if not isinstance(node.expression, exp.Anonymous):
            return node
        schema = node.this.parts[-1].name if isinstance(node.this, exp.Dot) else node.this.name
        if schema == "pg_catalog":
            return self._function(node.expression)
        if schema == "crdb_internal" and node.expression.name == "datums_to_bytes" and node.expression.expressions:
            return added_functions.encoded_key(node.expression, self)
        if schema in SYSTEM_SCHEMAS:
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
        if isinstance(target, exp.DataType) and type_oid(target):
            return self._user_type_cast(node, type_oid(target))
        if target.name.upper() == "REGCLASS" and isinstance(node.this, exp.Literal):
            return regclass(self._relation(node.this))
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
        relation = self.context.relations.get(oid - USER_TYPE_OID_BASE)
        if relation is not None:
            return exp.Cast(this=self.convert(node.this), to=self._row_type(relation))
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
        if len(node.expressions) > MAX_ARGUMENTS and name not in _WITHOUT_LIMIT:
            raise self.refusal(
                f"{name}() has {len(node.expressions)} arguments, and functions of PostgreSQL have at most "
                f"{MAX_ARGUMENTS}"
            )
        if node.name.startswith(FUNCTION_PREFIX):
            return self._routine(node, self.context.function_of_oid(int(node.name[len(FUNCTION_PREFIX) :]), self.where))
        if name in ROW_ID_FUNCTIONS:
            call = self.row_id or (lambda name: trees.call(row_id_function(name, self.context, self.where)))
            return call(name)
        if name in _REGION_FUNCTIONS:
            return self._region(name)
        if name in functions.KEYWORDS and not node.expressions:
            return exp.Var(this=functions.KEYWORDS[name])
        if name in functions.WITH_PRECISION and len(node.expressions) == 1:
            return self._time_of_precision(node, name)
        if name in functions.SEQUENCE_FUNCTIONS and node.expressions:
            return self._sequence_function(node, name)
        made = function_calls.rewritten(node, name, self)
        if made is not None:
            return made
        renamed = functions.RENAMED.get(name) or spatial_functions.RENAMED.get(name, name)
        if not function_calls.is_known(renamed):
            return self._routine(node, *self._routines_by_name("", node))
        integers = self._integer_arguments(renamed, node.expressions)
        arguments = [self.convert_in_place(argument) for argument in node.expressions]
        for position in integers:
            arguments[position] = as_integer(arguments[position])
        return exp.Anonymous(this=renamed, expressions=arguments)

    def _time_of_precision(self, node: Any, name: str) -> Any:
        """Return CURRENT_TIMESTAMP(n) and the like, whose number of digits has to be a constant in PostgreSQL."""
        digits = as_integer(node.expressions[0])
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
        while isinstance(value, (exp.Cast, exp.Paren)) and not is_regclass(value):
            value = value.this
        if isinstance(value, exp.Literal):
            node.set(
                "expressions",
                [regclass(self._sequence(value)), *[self.convert(argument) for argument in node.expressions[1:]]],
            )
        elif not is_regclass(value):
            raise UnsupportedError(f"{self.where}: {name} of a sequence that is not named by a constant")
        node.set("this", name)
        return node

    def _type(self, node: Any) -> Any:
        oid = type_oid(node)
        if oid:
            relation = self.context.relations.get(oid - USER_TYPE_OID_BASE)
            if relation is not None:
                return self._row_type(relation)
            return _added_type(self.context.qualified(self.context.user_type_of_oid(oid, self.where)))
        kinds = exp.DataType.Type
        parameters = ", ".join(part.sql() for part in node.expressions)
        if casts.exceeds_limits(node):
            raise self.refusal(f"the type {node.sql('postgres')} has a larger length or precision than PostgreSQL's")
        if isinstance(node.args.get("kind"), exp.Var):
            return node
        if node.this == kinds.USERDEFINED:
            return self._type_by_name(node, f"({parameters})" if parameters else "")
        if node.this in (kinds.TEXT, kinds.VARCHAR, kinds.CHAR):
            # CHAR is not padded in CockroachDB.
            length = parameters or ("1" if node.this == kinds.CHAR else "")
            return named_type(f"VARCHAR({length})") if length else node
        if node.this == kinds.INTERVAL and parameters:
            return named_type(f"interval({parameters})")
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
            return named_type(built_in + parameters)
        for item in self.context.database.types:
            if item.name == names[-1] and (len(names) == 1 or self.context.schema(item) == clip(names[0])):
                return _added_type(self.context.qualified(item))
        relation = self.context.relation_named(names[0] if len(names) > 1 else "", names[-1])
        if relation is not None:
            return self._row_type(relation)
        if names[-1] == REGION_TYPE:
            # A text that does not name the database's regions: its columns of this type are text, too.
            return named_type("text")
        raise self.refusal(f"the type {'.'.join(names)} is not in the backup")

    def _row_type(self, relation: Relation) -> Any:
        """Return the type of a table's or view's rows."""
        if not isinstance(relation, (Table, View)):
            raise self.refusal(f"it uses rows of the sequence {relation.name}")
        made = _added_type(row_type(relation, self.context))
        made.meta[ROWS_OF_RELATION] = relation.id not in self.context.row_types
        return made

    def need(self, extension: str, what: str) -> None:
        """Require an extension. Raises UnsupportedError if the server does not have it."""
        if not self.context.use_extension(extension):
            raise self.refusal(f"it needs {what}, and the server does not have the extension {extension}")

    def _collate(self, node: Any) -> Any:
        if node.meta.get(ADDED_COLLATION) or not isinstance(node.expression, (exp.Var, exp.Identifier, exp.Column)):
            return node
        collation = self.context.collation(node.expression.name, self.where)
        value = self.convert(node.this)
        return exp.Collate(this=value, expression=exp.Var(this=collation)) if collation else value


_HANDLERS: dict[Any, Callable[[_Converter, Any], Any]] = (
    {}
    if exp is None
    else {
        exp.Anonymous: _Converter._function,
        exp.Cast: _Converter._cast,
        exp.Collate: _Converter._collate,
        exp.Column: _Converter._column,
        exp.CurrentTime: _Converter._current_time,
        exp.DataType: _Converter._type,
        exp.Dot: _Converter.qualified,
        exp.Identifier: _Converter._identifier,
        exp.Literal: _Converter._literal,
        exp.Pow: _Converter._power,
        exp.RawString: _Converter._dollar_quoted,
        **operators.HANDLERS,
        **query_tables.HANDLERS,
    }
)


@deep
def convert(
    text: str,
    context: Context,
    where: FullName,
    columns: Optional[dict[str, SqlType]] = None,
    use: Use = Use(),
) -> Expression:
    """Return an expression or a query in PostgreSQL's SQL.

    ``columns`` gives the types of the table's columns, so that operators keep their meaning. What PostgreSQL computes a
    little otherwise is a finding. Raises UnsupportedError, naming ``where``, for text or a function that has no known
    counterpart.
    """
    try:
        return _converted(text, context, where, columns or {}, use)
    except RecursionError:
        raise UnsupportedError(f"{where}: {TOO_DEEP}") from None


def _converted(text: str, context: Context, where: FullName, columns: dict[str, SqlType], use: Use) -> Expression:
    tree = parse(text, where)
    if isinstance(tree, (exp.Query, exp.DML)):
        name_visible_columns(tree, context, where)
    scope = scope_of(tree, context, columns)
    converter = _Converter(context, where, scope, use.row_id, isinstance(tree, exp.Query))
    if isinstance(use.result, SqlType):
        tree = casts.typed_constant(tree, declared_family(use.result), converter)
        casts.require_constant(tree, declared_family(use.result), converter)
    if tree.meta.get(UPSERT):
        add_conflict(tree, converter)
    null_order.drop_needless_places(tree, context)
    halve_long_chains(tree, converter)
    if exceeds_levels(tree):
        raise converter.refusal(TOO_DEEP)
    tree = cast_untyped_arrays(tree, scope, lambda kind: type_name(kind, context, where), use.result)
    cast_choices_of_strings(tree, scope, lambda kind: type_name(kind, context, where), use.result)
    tree = text_order.keep_order_of_text(tree, converter.scope, context, where)
    scope.operators = {}
    with added_functions.functions_of_one_expression(context):
        tree = trees.transformed(tree, converter.node)
    scope.operators = None
    if exceeds_levels(tree):
        raise converter.refusal(TOO_DEEP)
    if converter.differences and not use.differences_known:
        context.find(
            FindingCode.EXPRESSION_DIFFERS,
            where,
            f"PostgreSQL's result of the expression is not always the same: {'; '.join(converter.differences)}.",
        )
    return Expression(generate(tree), tree, frozenset(converter.calls), tuple(converter.differences))


def convert_in_table(
    text: str, context: Context, where: FullName, columns: Iterable[Column], use: Use = Use()
) -> Expression:
    """Return an expression over columns of a table, as ``convert`` does.

    Raises UnsupportedError also for a name that is none of them."""
    types = column_types(columns)
    found = convert(text, context, where, types, use)
    require_columns(found.tree, context, where, types)
    return found


def _added_type(name: str) -> Any:
    """Return a user-defined type, marked as such."""
    made = named_type(name)
    made.meta[ADDED_TYPE] = True
    return made


def next_value(sequence: str) -> Any:
    """Return nextval() of a sequence, by its quoted name."""
    return exp.Anonymous(this="nextval", expressions=[regclass(sequence)])


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
    """Whether a converted expression or query names a table or view, or the type of its rows."""
    return any(
        node.meta.get(ROWS_OF_RELATION) if isinstance(node, exp.DataType) else not isinstance(node.this, exp.Anonymous)
        for node in tree.find_all(exp.Table, exp.DataType)
    )


def row_fields(columns: Any) -> dict[str, SqlType]:
    """Return the types of the fields of a trigger's rows, by names such as ``new.name``."""
    return {f"{row}.{name}": kind for row in ("new", "old") for name, kind in column_types(columns).items()}


def column_types(columns: Any) -> dict[str, SqlType]:
    """Return name to type, for convert() by CockroachDB's names, for what it returns by PostgreSQL's."""
    return {name: column.type for column in columns for name in (column.name, clip(column.name))}
