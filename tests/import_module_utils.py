# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Imports every module_utils with the Python that runs this, which needs requirements.txt and no ansible-core: targets
may have an older Python than control nodes."""

from __future__ import annotations

import importlib
import pathlib
import sys
import tempfile

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
NEEDS_ANSIBLE = "_ansible_"


def main() -> None:
    """Fail at the first module that cannot be imported."""
    plugins = CHECKOUT / "plugins"
    with tempfile.TemporaryDirectory() as directory:
        link = pathlib.Path(directory) / "ansible_collections" / "nomos" / "cockroach_migrator"
        link.parent.mkdir(parents=True)
        link.symlink_to(CHECKOUT)
        sys.path.insert(0, directory)
        files = sorted(path for path in (plugins / "module_utils").rglob("*.py") if not path.stem.startswith(NEEDS_ANSIBLE))
        for path in files:
            name = ".".join(path.relative_to(CHECKOUT).with_suffix("").parts).removesuffix(".__init__")
            importlib.import_module(f"ansible_collections.nomos.cockroach_migrator.{name}")
    print(f"{len(files)} files can be imported by Python {sys.version.split()[0]}")


if __name__ == "__main__":
    main()
