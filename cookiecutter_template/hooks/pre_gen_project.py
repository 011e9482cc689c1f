"""Can a project be made from these answers? Runs before the first file is written."""

import keyword
import sys

NAME = {{ '%r'|format(cookiecutter.project_name) }}
YES_OR_NO = {
    "use_iris_example": {{ '%r'|format(cookiecutter.use_iris_example) }},
    "use_cli": {{ '%r'|format(cookiecutter.use_cli) }},
    "use_git": {{ '%r'|format(cookiecutter.use_git) }},
    "include_ipynb_in_git": {{ '%r'|format(cookiecutter.include_ipynb_in_git) }},
}
# Folders of the project itself, and packages that it needs: one of that name would hide the other.
TAKEN = {"docs", "notebooks", "tests", "chariots", "click", "flask", "numpy", "pandas", "sklearn"}


def refuse(reason: str) -> None:
    """Ends the run; nothing has been written yet."""
    print(f"Error: {reason}", file=sys.stderr)
    sys.exit(1)


if not NAME.isidentifier():
    refuse(
        f"the project was to be named {NAME!r}, which Python cannot import; "
        "use letters, digits and underscores, and no digit first."
    )
if keyword.iskeyword(NAME):
    refuse(f"the project was to be named {NAME!r}, which is a word of Python itself; choose another name.")
if NAME.lower() in TAKEN or NAME in sys.stdlib_module_names:
    refuse(
        f"the project was to be named {NAME!r}, and there is a module of that name already, "
        "which yours would hide; choose another name."
    )
for question, answer in YES_OR_NO.items():
    if answer.lower() not in ("y", "yes", "true", "n", "no", "false"):
        refuse(f"{question} was answered with {answer!r}; answer y or n.")
