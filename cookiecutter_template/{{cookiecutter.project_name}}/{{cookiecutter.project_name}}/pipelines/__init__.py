"""Which pipelines does the server offer? Those in the list ``pipelines``."""
{%- if cookiecutter.__iris == 'True' %}

from {{ cookiecutter.project_name }}.pipelines.pred_iris import pred_iris
from {{ cookiecutter.project_name }}.pipelines.train_iris import train_iris

__all__ = ["pipelines", "pred_iris", "train_iris"]

pipelines = [train_iris, pred_iris]
{%- else %}

from chariots import Pipeline

__all__ = ["pipelines"]

pipelines: list[Pipeline] = []
{%- endif %}
