# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""CockroachDB's SQL text as a sqlglot dialect: what differs from PostgreSQL's."""

from __future__ import annotations

from typing import Any, Optional

from ..._errors import MigrationError, UnsupportedError
from .bare_names import as_stored, is_word, quote_names
from .chains import flattened
from .nesting import TOO_DEEP, deep
from .tokens import without_extensions

try:
    import sqlglot
    from sqlglot import exp
    from sqlglot.dialects.postgres import Postgres
    from sqlglot.errors import SqlglotError
    from sqlglot.tokens import Token, TokenType
except ImportError:  # named by libraries.missing()
    sqlglot = None
    Postgres = None

_ESCAPES = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
UPSERT = "upsert"
"""Key of a tree's metadata: the statement was an UPSERT and is parsed as an INSERT."""
_HEX_LENGTHS = {"x": 2, "u": 4, "U": 8}
_SHOWN = 60
"""Characters of a text that a message shows."""

if Postgres is not None:

    class Cockroach(Postgres):
        """Functions keep the names that the text gives: none is rebuilt into another that means about the same."""

        NULL_ORDERING = "nulls_are_small"
        INDEX_OFFSET = 0

        class Tokenizer(Postgres.Tokenizer):
            """``b'…'`` is bytes and ``B'…'`` bits; ``:::`` asserts a type; ``//`` divides without a rest; INT has 64
            bits."""

            BYTE_STRINGS = [("e'", "'"), ("E'", "'"), ("b'", "'")]
            BIT_STRINGS = [("B'", "'")]
            COMMANDS: set[Any] = set()
            KEYWORDS = {
                **Postgres.Tokenizer.KEYWORDS,
                ":::": TokenType.DCOLON,
                "//": TokenType.DIV,
                "STRING": TokenType.TEXT,
                "BYTES": TokenType.VARBINARY,
                "INT": TokenType.BIGINT,
                "INTEGER": TokenType.BIGINT,
                "<#>": TokenType.LLRR_ARROW,
            }

        class Parser(Postgres.Parser):
            """Reads ``@100105`` as a type and string literals with their escapes."""

            FUNCTIONS: dict[str, Any] = {}
            NUMERIC_PARSERS = {
                **Postgres.Parser.NUMERIC_PARSERS,
                TokenType.BYTE_STRING: lambda self, token: _escaped_literal(self.sql[token.start : token.end + 1]),
            }
            FUNCTION_PARSERS = {
                **{
                    name: Postgres.Parser.FUNCTION_PARSERS[name]
                    for name in ("CAST", "OVERLAY", "POSITION", "STRING_AGG", "SUBSTRING", "TRIM")
                },
                "EXTRACT": lambda self: self._parse_part_of_time(),
            }
            NO_PAREN_FUNCTION_PARSERS = {
                **Postgres.Parser.NO_PAREN_FUNCTION_PARSERS,
                "SOME": Postgres.Parser.NO_PAREN_FUNCTION_PARSERS["ANY"],
                "ALL": lambda self: self._parse_all(),
            }
            LAMBDAS: dict[Any, Any] = {}
            # <=> and <#> are the distances of vectors; to other dialects <=> is IS NOT DISTINCT FROM.
            EQUALITY = {
                token: kind for token, kind in Postgres.Parser.EQUALITY.items() if token != TokenType.NULLSAFE_EQ
            }
            FACTOR = {
                **Postgres.Parser.FACTOR,
                TokenType.NULLSAFE_EQ: lambda **sides: exp.Operator(operator=exp.var("<=>"), **sides),
                TokenType.LLRR_ARROW: lambda **sides: exp.Operator(operator=exp.var("<#>"), **sides),
            }
            PRIMARY_PARSERS = {
                **Postgres.Parser.PRIMARY_PARSERS,
                TokenType.BYTE_STRING: NUMERIC_PARSERS[TokenType.BYTE_STRING],
            }

            def _parse_types(self, *args: Any, **kwargs: Any) -> Optional[exp.Expression]:
                if self._match_pair(TokenType.ARRAY, TokenType.L_BRACKET, advance=False):
                    # A constructor: to try it as a type first takes twice as long for each of the arrays in it.
                    return None
                if self._curr and self._curr.text == "@" and self._next and self._next.token_type == TokenType.NUMBER:
                    self._advance(2)
                    return exp.DataType(this=exp.DataType.Type.USERDEFINED, kind=exp.Var(this="@" + self._prev.text))
                return super()._parse_types(*args, **kwargs)

            def _parse_indexed_column(self) -> Optional[exp.Expression]:
                """Read a column of ON CONFLICT, which has no order of NULLs."""
                return self._parse_disjunction()

            def _parse_all(self) -> Any:
                """ALL (SELECT …), and ALL of an array without parentheses."""
                operand = self._parse_bitwise()
                return exp.All(this=operand.this if isinstance(operand, exp.Subquery) else operand)

            def _parse_part_of_time(self) -> Any:
                """extract(year FROM x), and extract('year':::STRING, x) as descriptors hold it."""
                if self._next and self._next.token_type == TokenType.FROM:
                    return self._parse_extract()
                return exp.Anonymous(this="extract", expressions=self._parse_csv(self._parse_assignment))

        class Generator(Postgres.Generator):
            """Writes types by CockroachDB's names."""

            TYPE_MAPPING = {**Postgres.Generator.TYPE_MAPPING, exp.DataType.Type.INT: "INT4"}


@deep
def parse(text: str, where: object) -> Any:
    """Return the sqlglot tree of an expression or query; index hints of tables are dropped. Raises UnsupportedError,
    naming ``where``, if the text is not understood."""
    if sqlglot is None:
        raise MigrationError("the Python package sqlglot is missing: install it where the module runs")
    try:
        dialect = Cockroach()
        tokens = _without_hints(quote_names(dialect.tokenize(text), text))
        tokens, upsert = without_extensions(tokens, where)
        trees = dialect.parser().parse(flattened(tokens, where), text)
    except SqlglotError as error:
        raise UnsupportedError(f"{where}: the SQL text is not understood: {text}") from error
    except RecursionError:
        raise UnsupportedError(f"{where}: {TOO_DEEP}") from None
    if len(trees) != 1 or trees[0] is None or isinstance(trees[0], exp.Alias):
        raise UnsupportedError(f"{where}: the SQL text is not one expression: {text}")
    if upsert:
        trees[0].meta[UPSERT] = True
    return trees[0]


def name_parts(text: str) -> tuple[str, ...]:
    """Return the parts of the name in a string, in lower case unless quoted, as CockroachDB stores them; empty if the
    string is not a name."""
    try:
        tokens = Cockroach().tokenize(text)
    except SqlglotError:
        return ()
    names, dots = tokens[::2], tokens[1::2]
    if len(names) != len(dots) + 1 or any(token.token_type != TokenType.DOT for token in dots):
        return ()
    if not all(token.token_type == TokenType.IDENTIFIER or is_word(token, text) for token in names):
        return ()
    return tuple(as_stored(token) for token in names)


def tokenize(text: str, where: object) -> list[Any]:
    """Return the tokens of a text. Raises UnsupportedError naming ``where``."""
    if sqlglot is None:
        raise MigrationError("the Python package sqlglot is missing: install it where the module runs")
    try:
        return list(Cockroach().tokenize(text))
    except SqlglotError as error:
        raise UnsupportedError(f"{where}: the text is not understood: {text}") from error


def generate(tree: Any) -> str:
    """Return PostgreSQL's text of a converted tree, every identifier in quotes."""
    return tree.sql(Postgres, identify=True, normalize_functions=False)


def _without_hints(tokens: list[Token]) -> list[Token]:
    """Drop ``@index``, ``@[number]`` and ``@{…}`` that directly follow a table's name."""
    ends = {TokenType.L_BRACE: TokenType.R_BRACE, TokenType.L_BRACKET: TokenType.R_BRACKET}
    kept: list[Token] = []
    position = 0
    while position < len(tokens):
        token = tokens[position]
        if (
            token.text == "@"
            and kept
            and kept[-1].end + 1 == token.start
            and kept[-1].token_type in (TokenType.VAR, TokenType.IDENTIFIER)
        ):
            position += 1
            end = ends.get(tokens[position].token_type) if position < len(tokens) else None
            while end is not None and position < len(tokens) and tokens[position].token_type != end:
                position += 1
        else:
            kept.append(token)
        position += 1
    return kept


def _escaped_literal(raw: str) -> exp.Expression:
    """Return e'…' as a string and b'…' as a HexString of its bytes."""
    body = unescape(raw[2:-1])
    if raw[0] == "b":
        return exp.HexString(this=body.hex())
    try:
        return exp.Literal.string(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise UnsupportedError(f"the text {raw[:_SHOWN]} is not UTF-8") from error


def unescape(body: str) -> bytes:
    """Decode the escapes of a literal's inside: \\n, \\', \\x41, \\101, \\u00FC, and a doubled quote. Raises
    UnsupportedError for escapes of nothing, which CockroachDB refuses, too."""
    try:
        return _unescaped(body)
    except (IndexError, ValueError) as error:
        raise UnsupportedError(f"an escape in the text {body[:_SHOWN]!r} stands for no character") from error


def _unescaped(body: str) -> bytes:
    result = bytearray()
    position = 0
    while position < len(body):
        character = body[position]
        position += 1
        if character == "'":
            position += 1
        if character != "\\":
            result += character.encode("utf-8")
            continue
        code = body[position]
        position += 1
        if code in _HEX_LENGTHS:
            digits = body[position : position + _HEX_LENGTHS[code]]
            position += len(digits)
            result += bytes((int(digits, 16),)) if code == "x" else chr(int(digits, 16)).encode("utf-8")
        elif code in "01234567":
            result.append(int(body[position - 1 : position + 2], 8))
            position += 2
        elif code in _ESCAPES:
            result.append(_ESCAPES[code])
        else:
            result += code.encode("utf-8")
    return bytes(result)
