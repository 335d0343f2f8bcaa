# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""docs/findings.md, from the registry of finding codes."""

from __future__ import annotations

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.finding_codes import (
    SEVERITIES,
    Action,
    FindingCode,
)

HEAD = """\
# Findings

<!-- Written by tools/findings_page.py from plugins/module_utils/_model/finding_codes.py. -->

Whatever a migration changes, weakens or omits is a *finding*. The findings are the last part of the report; the dump's
`manifest.json` (those of reading and exporting), the report's `report.json` and the results of the modules hold them as

| key | meaning |
|---|---|
| `code` | what kind of finding it is: one of those below |
| `severity` | {severities} |
| `object` | the full name of what it is about, such as `shop.public.customers.nick` |
| `message`, `advice` | what happened, and what to do about it |
| `kind`, `database`, `schema`, `table`, `column`, `name` | the parts of the full name that there are (since 1.4.0): \
the kind of the object, its database and schema, the table or view that it is or belongs to, its column, and the name \
of anything else |
| `action` | in `report.json` only: what the finding asks for (`{actions}`), \
by which the report and this page are grouped |

A message says more than this page where it names values, roles or causes. Codes keep their meaning from release to
release.
"""


def findings_page() -> str:
    """Return the page: the codes in a table for each action."""
    severities = "; ".join(f"`{severity}`: {meaning}" for severity, meaning in SEVERITIES.items())
    lines = [HEAD.format(severities=severities, actions="`, `".join(action.name.lower() for action in Action))]
    for action in Action:
        lines += [f"## {action.value}\n", "| code | severity | meaning | what to do |", "|---|---|---|---|"]
        lines += [_row(code) for code in FindingCode if code.action is action]
        lines.append("")
    return "\n".join(lines)


def _row(code: FindingCode) -> str:
    return f"| `{code}` | {', '.join(code.severities)} | {code.meaning} | {code.what_to_do or '–'} |"
