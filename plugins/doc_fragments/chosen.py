# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Documentation that several modules share."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  include:
    description: Patterns of the databases and tables to include, such as V(shop) or V(shop.public.order*). Empty means all.
    type: list
    elements: str
    default: []
  exclude:
    description: Patterns of the databases and tables to exclude.
    type: list
    elements: str
    default: []
  merged_database:
    description:
      - The name of one database whose schemas all databases become. V(public) of the database C(shop) becomes C(shop), any other schema becomes
        C(shop_<schema>).
      - Empty means that each database becomes a database of its own.
    type: str
    default: ""
"""
