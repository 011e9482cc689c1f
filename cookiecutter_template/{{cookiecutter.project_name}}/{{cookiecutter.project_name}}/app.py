"""Which server offers the pipelines, and where does it keep what they learn?"""

from __future__ import annotations

import os
from pathlib import Path

from chariots import Chariots

from {{ cookiecutter.project_name }}.pipelines import pipelines


def local_folder() -> Path:
    """Where the database, the trained ops and the data are.

    Returns:
        what the variable ``{{ cookiecutter.project_name|upper }}_LOCAL`` says, or else ``{{ cookiecutter.project_name }}_local`` in the folder
        of the project (in the current folder where the project is installed without its folder).
    """
    chosen = os.environ.get("{{ cookiecutter.project_name|upper }}_LOCAL")
    if chosen:
        return Path(chosen)
    project = Path(__file__).resolve().parent.parent
    beside = project if (project / "setup.py").exists() else Path.cwd()
    return beside / "{{ cookiecutter.project_name }}_local"


def create_app(folder: str | Path | None = None) -> Chariots:
    """Makes the server.

    Args:
        folder: where it keeps what the pipelines learn; `local_folder` by default.

    Returns:
        a Flask application, for ``flask run``, ``chariots serve`` or any WSGI server.
    """
    path = str(local_folder() if folder is None else folder)
    return Chariots(pipelines, path, import_name="{{ cookiecutter.project_name }}.app")


{{ cookiecutter.project_name }}_app = create_app()
