# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The file of AWS keys."""
from __future__ import annotations

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.aws_keys import parse_aws_keys


@pytest.mark.parametrize("text", [
    "export AWS_ACCESS_KEY=AKIA\nexport AWS_SECRET_KEY=a/b+c=\n",
    "AWS_ACCESS_KEY_ID='AKIA'\nAWS_SECRET_ACCESS_KEY=\"a/b+c=\"",
    "# keys\n\nexport AWS_ACCESS_KEY = AKIA   # mine\r\naws_secret_access_key=a/b+c=\nexport OTHER=1",
])
def test_forms(text):
    assert parse_aws_keys(text) == {"access_key_id": "AKIA", "secret_access_key": "a/b+c="}


def test_token_and_region():
    keys = parse_aws_keys("AWS_ACCESS_KEY=a\nAWS_SECRET_KEY=b\nAWS_SESSION_TOKEN=c==\nAWS_DEFAULT_REGION=eu-west-1")
    assert (keys["session_token"], keys["region"]) == ("c==", "eu-west-1")


@pytest.mark.parametrize(("text", "word"), [("AWS_ACCESS_KEY=a", "AWS_SECRET_KEY"), ("AWS_SECRET_KEY=b", "AWS_ACCESS_KEY"), ("AWS_ACCESS_KEY=a\nhunter2 oops", "line 2")])
def test_refused_without_values(text, word):
    with pytest.raises(ConfigurationError, match=word) as caught:
        parse_aws_keys(text)
    assert "hunter2" not in str(caught.value)
