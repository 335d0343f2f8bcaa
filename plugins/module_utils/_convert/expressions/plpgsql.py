# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Bodies of PL/pgSQL functions: the same statements, with every expression and query through the dialect."""

from __future__ import annotations

from typing import Any, Optional, Union

from ..._errors import UnsupportedError
from ..._model.catalog import SqlType
from ..._model.finding_codes import FindingCode
from ..._model.full_name import FullName
from ..._model.names import clip, quote
from ..context import Context
from . import expressions
from .bare_names import is_word
from .dialect import tokenize
from .families import type_family

try:
    from sqlglot.tokens import TokenType
except ImportError:  # named by libraries.missing()
    TokenType = None

_QUERIES = frozenset(("SELECT", "INSERT", "UPDATE", "DELETE", "UPSERT", "WITH", "VALUES"))
_AS_IT_IS = frozenset(("NULL", "FETCH", "MOVE", "CLOSE", "COMMIT", "ROLLBACK"))
_LEVELS = frozenset(("DEBUG", "LOG", "INFO", "NOTICE", "WARNING", "EXCEPTION"))
_OPEN, _CLOSE = "([{", ")]}"
_INDENT = "    "


def convert_body(
    body: str, context: Context, where: FullName, variables: dict[str, SqlType], returns: Optional[SqlType] = None
) -> tuple[str, bool]:
    """Return PostgreSQL's text of a body, and whether it declares variables of the rows of a table or view;
    ``variables`` are the parameters, ``returns`` is the type of the value after RETURN.

    Raises UnsupportedError, naming ``where``, for a statement or an expression without a counterpart.
    """
    reader = _Reader(body, context, where, dict(variables))
    reader.returns = returns
    lines = reader.block("")
    if reader.position < len(reader.tokens):
        raise reader.unknown()
    return "\n".join(lines), reader.declares_rows


class _Reader:
    """Goes through the tokens of a body once."""

    def __init__(self, body: str, context: Context, where: FullName, variables: dict[str, SqlType]) -> None:
        self.body, self.context, self.where, self.variables = body, context, where, variables
        self.returns: Optional[SqlType] = None
        self.declared: dict[str, str] = {}
        self.tokens = tokenize(body, where)
        self.position = 0
        self.declares_rows = False

    def word(self, ahead: int = 0) -> str:
        """Return a key word or symbol ahead, in upper case, and quoted names and constants as they are written; empty
        after the end. A word after a dot or AS is a name, which CockroachDB prints without quotes."""
        place = self.position + ahead
        if place >= len(self.tokens):
            return ""
        written = self._written(place).upper()
        return quote(written) if self._is_label(place) and is_word(self.tokens[place], self.body) else written

    def _is_label(self, place: int) -> bool:
        """Whether a dot or the key word AS comes before a token."""
        before = self._written(place - 1).upper() if place else ""
        return before == "." or (before == "AS" and not self._is_label(place - 1))

    def _written(self, place: int) -> str:
        """Return a token as it is written."""
        return self.body[self.tokens[place].start : self.tokens[place].end + 1]

    def accept(self, *words: str) -> bool:
        """Read these words if they come next; return whether they do."""
        if [self.word(number) for number in range(len(words))] != list(words):
            return False
        self.position += len(words)
        return True

    def expect(self, *words: str) -> None:
        """Read these words. Raises UnsupportedError if something else comes next."""
        if not self.accept(*words):
            raise self.unknown()

    def unknown(self) -> UnsupportedError:
        """Return the error for what is not understood."""
        return UnsupportedError(f"{self.where}: the PL/pgSQL at {self.word() or 'its end'!r} is not converted")

    def name(self) -> str:
        """Read an identifier and return it quoted, in small letters unless it was quoted, and as short as in
        expressions."""
        token = self.tokens[self.position]
        self.position += 1
        quoted = self.body[token.start] == '"'
        return quote(clip(token.text if quoted else token.text.lower()))

    def names_until(self, *ends: str) -> str:
        """Return the source up to one of the ends as it is; raises UnsupportedError for a name that would have to be
        shortened."""
        begin = self.position
        text = self.text_until(*ends)
        for token in self.tokens[begin : self.position]:
            if clip(token.text) != token.text:
                raise UnsupportedError(f"{self.where}: the name {token.text} is too long for PostgreSQL")
        return text

    def text_until(self, *ends: str) -> str:
        """Return the source before one of these words or symbols outside of parentheses and CASE; the word itself is
        not read."""
        begin, depth, cases = self.position, 0, 0
        while self.position < len(self.tokens):
            word = self.word()
            if depth == 0 and cases == 0 and word in ends:
                break
            depth += (word in _OPEN) - (word in _CLOSE) if len(word) == 1 else 0
            cases += (word == "CASE") - (word == "END" and cases > 0)
            self.position += 1
        if self.position == begin or self.position == len(self.tokens):
            raise self.unknown()
        return self.body[self.tokens[begin].start : self.tokens[self.position - 1].end + 1]

    def converted(self, text: str, result: Optional[Union[SqlType, str]] = None) -> str:
        """Return an expression, of a value of the type ``result``, or a query in PostgreSQL's SQL."""
        return expressions.convert(text, self.context, self.where, self.variables, expressions.Use(result)).sql

    def expression(self, *ends: str, result: Optional[Union[SqlType, str]] = None) -> str:
        """Read and convert an expression up to one of the ends; PostgreSQL takes the THEN of a CASE for such an end."""
        converted = self.converted(self.text_until(*ends), result)
        return f"({converted})" if "THEN" in ends and "CASE" in converted else converted

    def block(self, indent: str) -> list[str]:
        """Read [<<label>>] [DECLARE …] BEGIN … [EXCEPTION …] END [label]."""
        lines, outer = self.label(indent), (dict(self.variables), dict(self.declared))
        if self.accept("DECLARE"):
            lines.append(f"{indent}DECLARE")
            while self.word() != "BEGIN":
                lines.append(f"{indent}{_INDENT}{self.declaration()};")
        self.expect("BEGIN")
        lines.append(f"{indent}BEGIN")
        lines += self.statements(indent + _INDENT, "EXCEPTION", "END")
        if self.accept("EXCEPTION"):
            lines.append(f"{indent}EXCEPTION")
            while self.accept("WHEN"):
                lines.append(f"{indent}{_INDENT}WHEN {self.text_until('THEN')} THEN")
                self.expect("THEN")
                lines += self.statements(indent + _INDENT * 2, "WHEN", "END")
        self.expect("END")
        label = "" if self.word() in (";", "") else " " + self.name()
        self.accept(";")
        self.variables, self.declared = outer
        return [*lines, f"{indent}END{label};"]

    def label(self, indent: str) -> list[str]:
        """Read <<label>>."""
        if not self.accept("<", "<"):
            return []
        name = self.name()
        self.expect(">", ">")
        return [f"{indent}<<{name}>>"]

    def declaration(self) -> str:
        """Read one variable or cursor up to its semicolon."""
        name = self.tokens[self.position].text.lower()
        parts = [self.name()]
        if self.word() in ("CURSOR", "NO", "SCROLL"):
            parts.append(self.text_until("FOR", "IS"))
            self.position += 1
            parts.append("FOR " + self.expression(";"))
            self.expect(";")
            return " ".join(parts)
        if self.accept("CONSTANT"):
            parts.append("CONSTANT")
        kind, family = self.type_name(self.text_until("NOT", "DEFAULT", ":=", "=", "COLLATE", ";"))
        self.variables[name] = SqlType(family)
        self.declared[name] = kind
        parts.append(kind)
        if self.word() == "COLLATE":
            raise self.unknown()
        if self.accept("NOT", "NULL"):
            parts.append("NOT NULL")
        if self.accept("DEFAULT") or self.accept(":=") or self.accept("="):
            parts.append(":= " + self.expression(";", result=kind))
        self.expect(";")
        return " ".join(parts)

    def type_name(self, text: str) -> tuple[str, str]:
        """Return the PostgreSQL type of a declaration and its family."""
        relation, _percent, kind = text.rpartition("%")
        if relation and kind.strip().upper() == "ROWTYPE":
            text = relation
        elif "%" in text:
            raise UnsupportedError(f"{self.where}: the declaration by {text} is not converted")
        found = expressions.convert(f"NULL::{text}", self.context, self.where)
        target = found.tree.args["to"]
        self.declares_rows = self.declares_rows or expressions.reads_relations(found.tree)
        return expressions.generate(target), type_family(target)

    def statements(self, indent: str, *ends: str) -> list[str]:
        """Read statements up to one of the end words, which is not read."""
        lines: list[str] = []
        while self.word() not in ends:
            if not self.word():
                raise self.unknown()
            lines += self.statement(indent)
        return lines

    def statement(self, indent: str) -> list[str]:
        """Read one statement with its semicolon."""
        word = self.word()
        if self.word(1) in (":=", "="):
            return [indent + self.assignment()]
        if word == "<" and self.word(5) not in ("LOOP", "WHILE", "FOR") or word in ("DECLARE", "BEGIN"):
            return self.block(indent)
        handler = {
            "IF": self.branches,
            "CASE": self.cases,
            "LOOP": self.loop,
            "WHILE": self.loop,
            "FOR": self.loop,
            "<": self.loop,
        }.get(word)
        return handler(indent) if handler else [indent + self.simple(word)]

    def branches(self, indent: str) -> list[str]:
        """Read IF … THEN … ELSIF … ELSE … END IF."""
        lines, keyword = [], "IF"
        while True:
            self.position += 1
            lines.append(f"{indent}{keyword} {self.expression('THEN')} THEN")
            self.expect("THEN")
            lines += self.statements(indent + _INDENT, "ELSIF", "ELSEIF", "ELSE", "END")
            if self.word() not in ("ELSIF", "ELSEIF"):
                break
            keyword = "ELSIF"
        return lines + self.otherwise(indent, "IF")

    def cases(self, indent: str) -> list[str]:
        """Read the statement CASE … WHEN … THEN … ELSE … END CASE."""
        self.position += 1
        lines = [f"{indent}CASE" + ("" if self.word() == "WHEN" else " " + self.expression("WHEN"))]
        while self.accept("WHEN"):
            values = [self.expression(",", "THEN")]
            while self.accept(","):
                values.append(self.expression(",", "THEN"))
            lines.append(f"{indent}{_INDENT}WHEN {', '.join(values)} THEN")
            self.expect("THEN")
            lines += self.statements(indent + _INDENT * 2, "WHEN", "ELSE", "END")
        return lines + self.otherwise(indent, "CASE")

    def otherwise(self, indent: str, keyword: str) -> list[str]:
        """Read [ELSE …] END IF or END CASE."""
        lines = []
        if self.accept("ELSE"):
            lines = [f"{indent}ELSE", *self.statements(indent + _INDENT, "END")]
        self.expect("END", keyword, ";")
        return [*lines, f"{indent}END {keyword};"]

    def loop(self, indent: str) -> list[str]:
        """Read [<<label>>] [WHILE condition | FOR variable IN range] LOOP … END LOOP [label]."""
        lines = self.label(indent)
        condition = ""
        if self.accept("WHILE"):
            condition = f"WHILE {self.expression('LOOP')} "
        elif self.accept("FOR"):
            condition = f"FOR {self.range()} "
        self.expect("LOOP")
        lines.append(f"{indent}{condition}LOOP")
        lines += self.statements(indent + _INDENT, "END")
        self.expect("END", "LOOP")
        label = "" if self.word() == ";" else " " + self.name()
        self.expect(";")
        return [*lines, f"{indent}END LOOP{label};"]

    def range(self) -> str:
        """Read variable IN [REVERSE] first..last [BY step]."""
        self.variables[self.tokens[self.position].text.lower()] = SqlType("int", 20, 64)
        name = self.name()
        self.expect("IN")
        reverse = "REVERSE " if self.accept("REVERSE") else ""
        begin = self.tokens[self.position].start
        while not self.at_second_dot():
            if self.word() in ("LOOP", ";", ""):
                raise UnsupportedError(
                    f"{self.where}: a FOR loop over something else than a range of numbers is not converted"
                )
            self.position += 1
        first = self.converted(self.body[begin : self.tokens[self.position].start - 1])
        self.position += 1
        text = f"{name} IN {reverse}{first}..{self.expression('BY', 'LOOP')}"
        self.context.find(
            FindingCode.LOOP_VARIABLE,
            self.where,
            f"The variable {name} of a FOR loop has 32 bits in PostgreSQL: greater numbers are an error.",
        )
        return text + (f" BY {self.expression('LOOP')}" if self.accept("BY") else "")

    def at_second_dot(self) -> bool:
        """Whether the next token is the second dot of a range; the first one may be taken for a number's."""
        return self.word() == "." and self.body[self.tokens[self.position].start - 1] == "."

    def simple(self, word: str) -> str:
        """Read a statement without statements inside."""
        if word in _QUERIES:
            return self.query()
        if word in _AS_IT_IS:
            return self.finished(self.names_until(";"))
        if word in ("EXIT", "CONTINUE"):
            self.position += 1
            label = "" if self.word() in ("WHEN", ";") else " " + self.name()
            return self.finished(word + label + (f" WHEN {self.expression(';')}" if self.accept("WHEN") else ""))
        if word == "RETURN":
            return self.returned()
        if word == "RAISE":
            return self.raised()
        if word in ("PERFORM", "CALL"):
            self.position += 1
            text = self.text_until(";")
            return self.finished(
                f"PERFORM {self.converted('SELECT ' + text)[len('SELECT ') :]}"
                if word == "PERFORM"
                else f"CALL {self.converted(text)}"
            )
        if word == "OPEN":
            self.position += 1
            head = self.names_until("FOR", ";")
            return self.finished(f"OPEN {head}" + (f" FOR {self.expression(';')}" if self.accept("FOR") else ""))
        return self.assignment()

    def finished(self, text: str) -> str:
        """Read the semicolon."""
        self.expect(";")
        return text + ";"

    def returned(self) -> str:
        """Read RETURN [NEXT | QUERY] …."""
        self.position += 1
        if self.word() == ";":
            return self.finished("RETURN")
        for kind in ("QUERY", "NEXT"):
            if self.accept(kind):
                return self.finished(
                    f"RETURN {kind} {self.expression(';')}" if self.word() != ";" else f"RETURN {kind}"
                )
        return self.finished(f"RETURN {self.expression(';', result=self.returns)}")

    def raised(self) -> str:
        """Read RAISE [level] ['format' [, value …]] [USING option = value …]."""
        self.position += 1
        parts = ["RAISE"]
        if self.word() in _LEVELS:
            parts.append(self.word())
            self.position += 1
        if self.word() not in (";", "USING"):
            parts.append(self.text_until(",", "USING", ";"))
        while self.accept(","):
            parts[-1] += f", {self.expression(',', 'USING', ';')}"
        if self.accept("USING"):
            options: list[str] = []
            while not options or self.accept(","):
                option = self.word()
                self.position += 1
                if not self.accept("="):
                    self.expect(":=")
                options.append(f"{option} = {self.expression(',', ';')}")
            parts.append("USING " + ", ".join(options))
        return self.finished(" ".join(parts))

    def query(self) -> str:
        """Read a SQL statement; INTO and its variables go to the end, where PL/pgSQL takes them, too."""
        begin = self.position
        target, place, depth = "", None, 0
        for ahead in range(len(self.tokens) - begin):
            word = self.word(ahead)
            depth += (word in _OPEN) - (word in _CLOSE) if len(word) == 1 else 0
            if word == "INTO" and depth == 0 and (not ahead or self.word(ahead - 1) not in ("INSERT", "UPSERT")):
                place = begin + ahead
                break
            if word == ";" and depth == 0:
                break
        if place is None:
            return self.finished(self.converted(self.text_until(";")))
        head = self.body[self.tokens[begin].start : self.tokens[place - 1].end + 1]
        self.position = place + 1
        target = self.targets()
        rest = "" if self.word() == ";" else " " + self.text_until(";")
        return self.finished(f"{self.converted(head + rest)} INTO {target}")

    def targets(self) -> str:
        """Read [STRICT] variable, …."""
        strict = "STRICT " if self.accept("STRICT") else ""
        names = [self.name()]
        while self.accept(","):
            names.append(self.name())
        return strict + ", ".join(names)

    def assignment(self) -> str:
        """Read variable := expression."""
        word = self.word()
        if not word or not (word[0].isalpha() or word[0] == "_" or self.body[self.tokens[self.position].start] == '"'):
            raise self.unknown()
        variable = self.tokens[self.position].text.lower()
        target = [self.name()]
        while self.accept("."):
            field = self.tokens[self.position]
            variable += "." + (field.text if self.body[field.start] == '"' else field.text.lower())
            target.append(self.name())
        if not self.accept(":="):
            self.expect("=")
        kind = self.declared.get(variable) or self.variables.get(variable)
        return self.finished(f"{'.'.join(target)} := {self.expression(';', result=kind)}")


def split_statements(body: str, where: object) -> list[str]:
    """Return the statements of a SQL function's body, without their semicolons."""
    tokens = tokenize(body, where)
    statements: list[str] = []
    begin: Optional[Any] = None
    last: Optional[Any] = None
    for token in tokens:
        if token.token_type == TokenType.SEMICOLON and begin is not None and last is not None:
            statements.append(body[begin.start : last.end + 1])
            begin = None
        elif token.token_type != TokenType.SEMICOLON:
            begin = begin or token
            last = token
    if begin is not None and last is not None:
        statements.append(body[begin.start : last.end + 1])
    return statements
