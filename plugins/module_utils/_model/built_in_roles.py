# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The roles that every CockroachDB cluster has: pkg/security/username/username.go."""

from __future__ import annotations

BUILT_IN_ROLES = frozenset(("root", "admin", "node", "public"))
