# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Dataclasses as JSON values and back: the form of everything that a dump and the result files hold.

A field with its default is not written (but for classes with ``WRITTEN_WHOLE``), nor is a secret
(``field(repr=False)``). What is read has to have each type
that the dataclass names, and no other fields: nothing is converted or ignored.
"""

from __future__ import annotations

import dataclasses
from functools import cache
from operator import attrgetter
from typing import Any, Callable, TypeVar, Union, get_args, get_origin

from .finding_codes import FindingCode

try:
    import cattrs
    from cattrs.cols import is_mapping, is_sequence, list_structure_factory, mapping_structure_factory
    from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override
    from cattrs.v import format_exception
except ImportError:  # named by libraries.missing()
    cattrs = None  # type: ignore[assignment]


Kind = TypeVar("Kind")

_MOST_ERRORS = 3


def to_json(value: Any) -> Any:
    """Return dataclasses, and lists and dicts of them, as plain JSON values."""
    return _converter().unstructure(value)


def from_json(kind: type[Kind], value: Any) -> Kind:
    """Build ``kind`` (a dataclass, or a list or dict of them) from what ``to_json`` gave.

    Raises ValueError, which says what is wrong and where, such as ``required field missing @ $.tables[2].name``.
    """
    try:
        return _converter().structure(value, kind)
    except (cattrs.BaseValidationError, TypeError) as error:
        found = cattrs.transform_error(error, format_exception=_explain)
        raise ValueError("; ".join(found[:_MOST_ERRORS])) from error


def _explain(error: BaseException, kind: Any) -> str:
    """Name the type that is expected, also where None is allowed instead."""
    inner = [part for part in get_args(kind) if part is not type(None)]
    return format_exception(error, inner[0] if get_origin(kind) is Union and len(inner) == 1 else kind)


@cache
def _converter() -> Any:
    converter = cattrs.Converter(forbid_extra_keys=True, omit_if_default=True)
    for kind in (str, bool, int):
        converter.register_structure_hook(kind, _only((kind,), _make))
    converter.register_structure_hook(float, _only((float, int), _make))
    converter.register_structure_hook_factory(is_sequence, _list_reader)
    converter.register_structure_hook_factory(is_mapping, _dict_reader)
    converter.register_structure_hook_factory(dataclasses.is_dataclass, _dataclass_reader)
    converter.register_unstructure_hook_factory(dataclasses.is_dataclass, _dataclass_writer)
    # Being a str too, it would stay as it is.
    converter.register_unstructure_hook(FindingCode, attrgetter("value"))
    return converter


def _only(kinds: tuple[type, ...], read: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Let cattrs ``read`` values of these types only: it would make a number of a text, a list of its characters."""

    def checked(value: Any, kind: Any) -> Any:
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise TypeError(type(value).__name__)
        return read(value, kind)

    return checked


def _make(value: Any, kind: Any) -> Any:
    """``kind`` may be an Enum of texts."""
    return kind(value)


def _list_reader(kind: Any, converter: Any) -> Callable[[Any, Any], Any]:
    return _only((list,), list_structure_factory(kind, converter))


def _dict_reader(kind: Any, converter: Any) -> Callable[[Any, Any], Any]:
    return _only((dict,), mapping_structure_factory(kind, converter))


def _dataclass_reader(kind: Any, converter: Any) -> Callable[[Any, Any], Any]:
    return _only((dict,), make_dict_structure_fn(kind, converter, _cattrs_forbid_extra_keys=True))


def _dataclass_writer(kind: Any, converter: Any) -> Callable[[Any], dict[str, Any]]:
    if getattr(kind, "WRITTEN_WHOLE", False):
        return dataclasses.asdict
    secret = {spec.name: override(omit=True) for spec in dataclasses.fields(kind) if not spec.repr}
    return make_dict_unstructure_fn(kind, converter, _cattrs_omit_if_default=True, **secret)
