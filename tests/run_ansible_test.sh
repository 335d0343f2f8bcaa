#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Runs ansible-test on a copy of the tracked files: it refuses a linked tree. Backups are binary data, and our tests are plain Python that ruff checks.
# usage: tests/run_ansible_test.sh sanity [options]
set -eu
checkout=$(cd "$(dirname "$0")/.." && pwd)
tree="$checkout/.cache/ansible_test/ansible_collections/nomos/cockroach_migrator"
venv=${VENV:-$checkout/.venv}
PATH="$venv/bin:$PATH"

rm -rf "$tree"
mkdir -p "$tree"
git -C "$checkout" ls-files -z -- ':!tests/fixtures' ':!tests/unit' ':!tests/integration' ':!tests/benchmark' ':!tests/stand_in_cockroach' ':!playbooks/files' | (cd "$checkout" && tar --null --files-from=- -cf -) | tar -C "$tree" -xf -
# ansible-test asks git which files there are.
git -C "$tree" init -q
git -C "$tree" add -A

# ansible-test wants to download a script that installs pip into its virtual environments. Behind a package index
# that is the only way out, this stand-in does the same from pip's own wheel.
core=$("$venv/bin/python" -c 'import ansible.release as r; print(".".join(r.__version__.split(".")[:2]))')
case "$core" in
    2.19) script=get_pip_24_2.py ;;
    *) script=get_pip_25_2.py ;;
esac
cache="${HOME}/.ansible/test/cache"
if [ ! -e "$cache/$script" ]; then
    mkdir -p "$cache/pip-wheel"
    "$venv/bin/pip" download -q --no-deps -d "$cache/pip-wheel" pip
    cat > "$cache/$script" <<EOF
import glob, runpy, sys
wheel = glob.glob("$cache/pip-wheel/pip-*.whl")[0]
sys.path.insert(0, wheel)
sys.argv = ["pip", "install", "--no-index", "--disable-pip-version-check", wheel]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
EOF
fi
cd "$tree"
exec ansible-test "$@"
