# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Documentation that several modules share."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  log_file:
    description: A file to which events and progress are appended, one line each. Its directory has to exist. Nothing is written in check mode.
    type: path
"""
