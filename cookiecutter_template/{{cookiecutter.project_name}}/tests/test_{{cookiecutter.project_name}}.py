"""Do the parts of {{ cookiecutter.project_name }} do what they say?"""
{% if cookiecutter.__cli == 'True' %}
from click.testing import CliRunner
{% endif %}
import {{ cookiecutter.project_name }}
{%- if cookiecutter.__cli == 'True' %}
from {{ cookiecutter.project_name }}.cli import {{ cookiecutter.project_name }}_cli
{%- endif %}
{%- if cookiecutter.__iris == 'True' %}
from {{ cookiecutter.project_name }}.ops.data_ops.download_iris import DownloadIris
from {{ cookiecutter.project_name }}.ops.feature_ops.x_y_split import XYSplit
{%- endif %}


def test_the_package_has_a_version() -> None:
    assert {{ cookiecutter.project_name }}.__version__
{%- if cookiecutter.__cli == 'True' %}


def test_the_command_can_start_the_server() -> None:
    shown = CliRunner().invoke({{ cookiecutter.project_name }}_cli, ["--help"])
    assert shown.exit_code == 0
    assert "start" in shown.output
{%- endif %}
{%- if cookiecutter.__iris == 'True' %}


def test_the_features_do_not_hold_the_target() -> None:
    features, target = XYSplit().execute(DownloadIris().execute())
    assert "target" not in features.columns
    assert features.shape == (150, 4)
    assert sorted(target.unique()) == [0, 1, 2]
{%- endif %}
