# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Commands on the database itself, whose name differs between servers (a rehearsal has its own)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

from .._model.names import dollar_quote, literal
from .context import Context
from .definitions import Definition
from .statements import Need, Subject


def on_database(
    step: str,
    subject: Subject,
    template: str,
    context: Context,
    expects: Optional[Definition] = None,
    needs: Iterable[Need] = (),
) -> None:
    """Add a command on the database in which it is run; %I in the template stands for its name (see PostgreSQL's
    format())."""
    body = f"BEGIN EXECUTE format({literal(template)}, current_database()); END"
    context.conversion.add(step, subject, f"DO {dollar_quote(body)}", expects, needs)
