"""How is the documentation built?"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

project = "{{ cookiecutter.project_name }}"
author = {{ '%r'|format(cookiecutter.author) }}
copyright = f"{% now 'local', '%Y' %}, {author}"
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "alabaster"
