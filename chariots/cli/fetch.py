"""How does a person fetch big files from a terminal?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from chariots.cli.printing import counted, json_option, print_json, shown_size

if TYPE_CHECKING:
    from chariots.transfer.model_repo import ModelRepo

__all__ = ["fetch"]


@click.command()
@click.argument("directory", required=False, type=click.Path(file_okay=False))
@click.option(
    "--manifest", "-m", "manifests", multiple=True, metavar="FILE", type=click.Path(exists=True, dir_okay=False),
    help="Manifest of pointers, JSON or YAML; several are merged. By default those below /bptr and /static-bptr.",
)  # fmt: skip
@click.option(
    "--model", "models", multiple=True, metavar="REPO[@REVISION]",
    help="Fetch a repository of the Hugging Face hub, s3://, gs:// or azure://, into a folder called as it is.",
)  # fmt: skip
@click.option("--allow", multiple=True, metavar="PATTERN", help="Of these repositories, only files that match.")
@click.option("--ignore", multiple=True, metavar="PATTERN", help="Of these repositories, no files that match.")
@click.option("--secret", metavar="NAME", default="hf_access_token", help="Secret that opens these repositories.")
@click.option("--no-verify", is_flag=True, help="Compare sizes only, and compute no hashes.")
@json_option
def fetch(
    directory: str | None,
    manifests: tuple[str, ...],
    models: tuple[str, ...],
    allow: tuple[str, ...],
    ignore: tuple[str, ...],
    secret: str,
    no_verify: bool,
    as_json: bool,
) -> None:
    """Fetch the files of a manifest into DIRECTORY, verified; what was stopped goes on where it was."""
    from chariots.transfer import Manifest, resolve
    from chariots.transfer.progress import Progress
    from chariots.transfer.screens import INTERRUPTED, STOPPED, begin_log, on_screen

    if manifests and models:
        raise click.UsageError("give --manifest or --model; a manifest says itself which files there are.")
    last: list[Progress] = []
    repositories = [_repository(text, allow, ignore, secret) for text in models] or None
    with on_screen() as screen:
        if screen is None:
            begin_log()

        def tell(progress: Progress) -> None:
            last[:] = [progress]
            if screen is not None:
                screen(progress)

        found = Manifest.merged([Manifest.from_file(path) for path in manifests]) if manifests else None
        try:
            place = resolve(directory, manifest=found, models=repositories, verify=not no_verify, progress=tell)
        except KeyboardInterrupt:
            click.echo(STOPPED, err=True)
            raise SystemExit(INTERRUPTED) from None
    done = last[-1]
    if as_json:
        print_json({"directory": str(place), "files": done.files, "bytes": done.size, "seconds": done.seconds})
        return
    click.echo(f"{counted(done.files, 'file')}, {shown_size(done.size)}, in {place} ({done.seconds:.1f} s)")


def _repository(text: str, allow: tuple[str, ...], ignore: tuple[str, ...], secret: str) -> ModelRepo:
    from chariots.errors import InputError
    from chariots.transfer import ModelRepo
    from chariots.transfer.sources.places import kind_of

    try:
        kind = kind_of(text)
    except InputError as error:
        raise click.UsageError(str(error)) from None
    name, _, revision = text.partition("@") if kind == "hf" else (text, "", "")
    return ModelRepo(
        name,
        revision=revision,
        volume_folder=name.rstrip("/").rpartition("/")[2],
        kind=kind,
        allow_patterns=allow or None,
        ignore_patterns=ignore or None,
        runtime_secret_name=secret,
    )
