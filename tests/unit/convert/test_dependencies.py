# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What needs something comes after it, whatever the numbers; circles neither stop nor confuse the order."""
from __future__ import annotations

import random

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.database import convert_database
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    Column,
    Database,
    Index,
    IndexColumn,
    Schema,
    SqlType,
    Table,
    View,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.dependencies import in_groups, in_order


@pytest.mark.parametrize("needs, order", [
    ({}, []),
    ({3: [], 1: [], 2: []}, [1, 2, 3]),
    ({1: [], 2: [1], 3: [2], 4: []}, [1, 2, 3, 4]),
    ({1: [3], 2: [], 3: [], 4: [1]}, [2, 3, 1, 4]),
    ({1: [99], 2: [98, 1]}, [1, 2]),
    ({1: [1], 2: []}, [1, 2]),
    ({1: [2], 2: [1], 3: [1]}, [2, 1, 3]),
    ({1: [2], 2: [3], 3: [1], 4: [5], 5: [4], 6: [1, 4]}, [3, 2, 1, 5, 4, 6]),
], ids=["nothing", "independent", "a chain", "a need for a higher number", "needs outside", "a call of itself", "a circle of two", "two circles"])
def test_order(needs, order):
    assert in_order(needs) == order
    assert in_order(dict(reversed(needs.items()))) == order  # the order of the mapping does not matter


def test_random_needs():
    choice = random.Random(7)
    for _attempt in range(50):
        ranks = choice.sample(range(100), 30)
        needs = {number: [other for other in choice.sample(ranks, 3) if ranks.index(other) < rank] for rank, number in enumerate(ranks)}
        place = {number: position for position, number in enumerate(in_order(needs))}
        assert len(place) == len(needs) and all(place[other] < place[number] for number, others in needs.items() for other in others)


def test_groups():
    assert in_groups({"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}) == [{"a"}, {"b", "c"}, {"d"}]
    # f waits for the circle, g does not.
    assert in_groups({"d": ["e"], "e": ["d"], "f": ["d"], "g": []}) == [{"g"}]
    assert in_groups({}) == []


def test_a_long_chain_of_views_with_falling_numbers():
    """CREATE OR REPLACE VIEW may make an older view read newer ones. The chain is longer than Python lets calls be nested."""
    column = Column(1, "id", SqlType("int", 20, 64))
    table = Table(1, "t", 1, [column], Index(1, "t_pkey", True, [IndexColumn(1)]))
    names = {number: f"v{number}" for number in range(10, 2010)}
    names[2010] = "t"
    views = [View(number, names[number], 1, f"SELECT id FROM db.public.{names[number + 1]}", [column], depends_on=[number + 1]) for number in range(10, 2010)]
    views[-1].depends_on = [1]
    conversion = convert_database(Database(1, "db", [Schema(1, "public")], tables=[table], views=views), [], ServerFeatures(), ConvertOptions("skip"))
    made = [statement.name for statement in conversion.statements if statement.kind == "view"]
    assert len(made) == 2000 and made == [view.name for view in reversed(views)]
