"""How is {{ cookiecutter.project_name }} installed?"""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent


def requirements() -> list[str]:
    """The packages that requirements.txt lists."""
    lines = (HERE / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


setup(
    name="{{ cookiecutter.project_name }}",
    version="0.1.0",
    description={{ '%r'|format(cookiecutter.project_short_description) }},
    long_description=(HERE / "README.rst").read_text(encoding="utf-8"),
    long_description_content_type="text/x-rst",
    author={{ '%r'|format(cookiecutter.author) }},
    author_email={{ '%r'|format(cookiecutter.author_email) }},
{%- set names = {
    'MIT license': 'MIT',
    'BSD license': 'BSD-3-Clause',
    'ISC license': 'ISC',
    'Apache Software License 2.0': 'Apache-2.0',
    'GNU General Public License v3': 'GPL-3.0-only'
} %}
{%- if cookiecutter.open_source_license in names %}
    license="{{ names[cookiecutter.open_source_license] }}",
{%- endif %}
    python_requires=">=3.11",
    packages=find_packages(include=["{{ cookiecutter.project_name }}", "{{ cookiecutter.project_name }}.*"]),
    install_requires=requirements(),
{%- if cookiecutter.__cli == 'True' %}
    entry_points={
        "console_scripts": [
            "{{ cookiecutter.project_name }}={{ cookiecutter.project_name }}.cli:{{ cookiecutter.project_name }}_cli"
        ]
    },
{%- endif %}
)
