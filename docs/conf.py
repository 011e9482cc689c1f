"""How is the documentation built, and what do its examples find when they run?"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from chariots import __version__  # noqa: E402  (the path has to be set first)

project = "chariots"
author = "the chariots contributors"
copyright = author
version = release = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "myst_parser",
]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
exclude_patterns = ["_build"]
default_role = "code"

html_theme = "furo"
html_title = f"chariots {release}"

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
myst_heading_anchors = 3

# What every example finds: the names of `docs/_examples.py` and an empty folder as the current one.
doctest_global_setup = f"""
import logging as _logging, os as _os, sys as _sys, tempfile as _tempfile
_logging.getLogger("werkzeug").setLevel("ERROR")
_here = {str(HERE.parent)!r}
_folder = _tempfile.TemporaryDirectory()
_os.chdir(_folder.name)
if {str(HERE)!r} not in _sys.path:
    _sys.path.insert(0, {str(HERE)!r})
from _examples import *
"""
doctest_global_cleanup = """
_os.chdir(_here)
_folder.cleanup()
"""
