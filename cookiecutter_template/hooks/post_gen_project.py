"""Which files does this project not need, and what does it need beside files? Runs in the finished project."""

import shutil
import subprocess
import sys
from pathlib import Path

NAME = "{{ cookiecutter.project_name }}"
WITH_IRIS = {{ cookiecutter.__iris }}
WITH_CLI = {{ cookiecutter.__cli }}
WITH_GIT = {{ cookiecutter.__git }}

IRIS_FILES = [
    "ops/data_ops/download_iris.py",
    "ops/feature_ops/from_array.py",
    "ops/feature_ops/x_y_split.py",
    "ops/model_ops/iris_pca.py",
    "ops/model_ops/iris_rf.py",
    "pipelines/train_iris.py",
    "pipelines/pred_iris.py",
]


def start_repository() -> None:
    """Starts a git repository, unless the project is inside one already."""
    git = shutil.which("git")
    if git is None:
        print("use_git: git is not installed here, so that no repository was started.", file=sys.stderr)
        return
    inside = subprocess.run([git, "rev-parse", "--is-inside-work-tree"], capture_output=True, check=False)
    if inside.returncode == 0:
        print("use_git: the project is inside a repository already, so that no other was started.", file=sys.stderr)
        return
    started = subprocess.run([git, "init", "--quiet"], capture_output=True, text=True, check=False)
    if started.returncode:
        print(f"use_git: no repository was started: {started.stderr.strip()}", file=sys.stderr)


if not WITH_IRIS:
    for name in IRIS_FILES:
        Path(NAME, name).unlink()
if not WITH_CLI:
    Path(NAME, "cli.py").unlink()
for folder in ("data", "ops"):
    Path(f"{NAME}_local", folder).mkdir(parents=True)
if WITH_GIT:
    # In the template the file has no dot, where it would hide parts of the template from git.
    Path("gitignore").rename(".gitignore")
    start_repository()
else:
    Path("gitignore").unlink()
