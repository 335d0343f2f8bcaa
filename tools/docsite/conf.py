# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Sphinx's settings for `make docsite`."""

from __future__ import annotations

project = "nomos.cockroach_migrator"
author = "The nomos.cockroach_migrator authors"
copyright = author
html_title = project

extensions = ["myst_parser", "sphinx_antsibull_ext"]
html_theme = "alabaster"
html_copy_source = False
html_show_copyright = False
pygments_style = "ansible"
highlight_language = "YAML+Jinja"
default_role = "any"

myst_heading_anchors = 4
suppress_warnings = [
    "misc.highlighting_failure",  # examples in a mixture of languages
    "ref.ref",  # labels of Ansible's own documentation, which is elsewhere
    "myst.xref_missing",  # links to files that are no pages: `make lint-links` follows them
]
