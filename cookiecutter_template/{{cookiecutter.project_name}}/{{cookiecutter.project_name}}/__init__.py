"""The package of {{ cookiecutter.project_name }}: its ops, its pipelines and its server."""

__version__ = "0.1.0"
