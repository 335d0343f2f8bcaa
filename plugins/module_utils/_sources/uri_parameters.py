# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The parameters of CockroachDB's storage URIs, by scheme.

From parseS3URL (pkg/cloud/amazon/s3_storage.go), parseGSURL (pkg/cloud/gcp/gcs_storage.go) and parseAzureURL
(pkg/cloud/azure/azure_storage.go) of cockroachdb/cockroach, all releases together. Like those, an unknown one is
refused.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping

from .._errors import ConfigurationError

S3 = "s3"
GOOGLE = "gs"
AZURE = "azure-blob"

AUTH = "AUTH"
IMPLICIT = "implicit"
LOCALITY = "COCKROACH_LOCALITY"
"""Of any scheme (pkg/ccl/backupccl, getURIsByLocalityKV): which ranges BACKUP wrote there. The files themselves say it
again."""
Parameters = Mapping[str, str]

_S3_READING = (
    AUTH,
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT",
    "AWS_REGION",
    "AWS_USE_PATH_STYLE",
    "AWS_SKIP_TLS_VERIFY",
    "ASSUME_ROLE",
)
_S3_WRITING = ("AWS_SERVER_ENC_MODE", "AWS_SERVER_KMS_ID", "AWS_SKIP_CHECKSUM", "S3_STORAGE_CLASS")
_KNOWN = {
    S3: frozenset((*_S3_READING, *_S3_WRITING)),
    GOOGLE: frozenset((AUTH, "GOOGLE_BILLING_PROJECT", "CREDENTIALS", "BEARER_TOKEN", "ASSUME_ROLE")),
    AZURE: frozenset(
        (
            AUTH,
            "AZURE_ACCOUNT_NAME",
            "AZURE_ACCOUNT_KEY",
            "AZURE_ENVIRONMENT",
            "AZURE_CLIENT_ID",
            "AZURE_CLIENT_SECRET",
            "AZURE_TENANT_ID",
        )
    ),
}


def parse_parameters(scheme: str, query: str, name: str) -> Parameters:
    """Return the parameters of a location of S3, Google or Azure; ``name`` is the location without secrets.

    A plus sign stays one: all values that may hold one are base64, in which there is no space. Raises
    ConfigurationError, never with a value.
    """
    found = {}
    for item in filter(None, query.split("&")):
        key, _equals, value = item.partition("=")
        found[urllib.parse.unquote(key)] = urllib.parse.unquote(value)
    unknown = sorted(set(found) - _KNOWN[scheme] - {LOCALITY})
    if unknown:
        raise ConfigurationError(
            f"{name}: CockroachDB knows no parameter {', '.join(unknown)} here: it knows "
            f"{', '.join(sorted(_KNOWN[scheme]))}"
        )
    return found


def without_locality(query: str) -> str:
    """Return the query of a URL without what CockroachDB takes off before it asks the server."""
    return "&".join(item for item in query.split("&") if item.partition("=")[0] != LOCALITY)


def is_true(parameters: Parameters, name: str, location: str) -> bool:
    """Read a boolean as Go's strconv.ParseBool does. Raises ConfigurationError."""
    value = parameters[name]
    if value in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if value in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise ConfigurationError(f"{location}: {name} has to be true or false")
