"""How Sphinx makes the site: ``make docs``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from glitchgrid import __version__

project = "Glitch Grid"
author = "the founders of Glitch Grid"
copyright = "2026, the founders of Glitch Grid"  # noqa: A001 - as Sphinx calls it
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_click", "generated"]
html_theme = "furo"
html_title = f"Glitch Grid {__version__}"
html_static_path: list[str] = []
html_extra_path = ["plans"]
exclude_patterns = ["_ext"]

# Links go to headings, too, and one that leads nowhere is a warning, which is an error.
myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]

# Docstrings name things in `single` marks.
default_role = "code"
autodoc_inherit_docstrings = False  # Twisted's are on its own pages
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "show-inheritance": True}
add_module_names = False
python_use_unqualified_type_names = True
nitpicky = False
