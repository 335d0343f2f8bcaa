# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Commands on the database itself, which is not called the same on every server (a rehearsal has its own name)."""

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
    """Add a command on the database that it runs in; %I in the template stands for its name (see PostgreSQL's
    format())."""
    body = f"BEGIN EXECUTE format({literal(template)}, current_database()); END"
    context.conversion.add(step, subject, f"DO {dollar_quote(body)}", expects, needs)
