"""What can be done with {{ cookiecutter.project_name }} from a terminal?"""

from __future__ import annotations

import click
from chariots.cli.serve import run_server


@click.group()
def {{ cookiecutter.project_name }}_cli() -> None:
    """Train and serve the pipelines of {{ cookiecutter.project_name }}."""


@{{ cookiecutter.project_name }}_cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Interface to listen on.")
@click.option("--port", default=5000, show_default=True, help="Port to listen on.")
@click.option("--workers", default=1, show_default=True, help="Processes that answer.")
@click.option("--insecure", is_flag=True, help="Let everybody who reaches the port call, load and save, without tokens.")
def start(host: str, port: int, workers: int, insecure: bool) -> None:
    """Start the server."""
    app = "{{ cookiecutter.project_name }}.app:{{ cookiecutter.project_name }}_app"
    run_server(app, host=host, port=port, workers=workers, insecure=insecure)
{%- if cookiecutter.__iris == 'True' %}


@{{ cookiecutter.project_name }}_cli.command("download_and_train")
@click.option("--url", help="Address of a running server; without one, the next start has the model.")
def download_and_train(url: str | None) -> None:
    """Train the iris model, save it, and put it into service."""
    from chariots import Client, TestClient

    from {{ cookiecutter.project_name }}.app import {{ cookiecutter.project_name }}_app
    from {{ cookiecutter.project_name }}.pipelines import pred_iris, train_iris

    client = Client(url) if url else TestClient({{ cookiecutter.project_name }}_app)
    client.call_pipeline(train_iris)
    client.save_pipeline(train_iris)
    client.load_pipeline(pred_iris)
    click.echo("The model is trained, saved and in service. Ask it, while the server runs:")
    click.echo("    chariots call pred_iris '[[5.1, 3.5, 1.4, 0.2]]'")
{%- endif %}
