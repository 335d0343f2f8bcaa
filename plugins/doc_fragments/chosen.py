# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Documentation that several modules share."""

from __future__ import annotations


class ModuleDocFragment:
    """What Ansible asks for."""

    DOCUMENTATION = r"""
options:
  include:
    description: Patterns of the databases and tables to take, such as V(shop) or V(shop.public.order*). Empty means all.
    type: list
    elements: str
    default: []
  exclude:
    description: Patterns of the databases and tables to leave out.
    type: list
    elements: str
    default: []
  merged_database:
    description:
      - The name of one database that all become schemas of. V(public) of the database C(shop) becomes C(shop), any other schema C(shop_<schema>).
      - Empty means that each database becomes one of its own.
    type: str
    default: ""
"""
