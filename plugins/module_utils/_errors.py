# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The one error family that modules turn into ``fail_json``."""

from __future__ import annotations


class MigrationError(Exception):
    """What went wrong, the thing it concerns and what to do, in one line without secrets."""


class UnsupportedError(MigrationError):
    """The backup holds a format, version or type that this collection does not know."""


class CorruptBackupError(MigrationError):
    """A file of the backup is missing, cut off or changed."""


class MissingFileError(CorruptBackupError):
    """A file of the backup is not there."""


class ConfigurationError(MigrationError):
    """What the user asked for cannot be done."""


class TargetError(MigrationError):
    """PostgreSQL refuses, cannot be reached, or holds something that is in the way."""


class CockroachError(MigrationError):
    """CockroachDB refuses, cannot be reached, or ended."""
