"""How does a person make keys and tokens, and sign what a store already has?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from chariots.cli.commands import Failure
from chariots.cli.stores import store_options, store_settings

if TYPE_CHECKING:
    from chariots.op_store.trusting.keys import KeyKind

__all__ = ["new_key", "new_token", "sign"]


@click.command()
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(["ed25519", "hmac"]),
    default="ed25519",
    show_default=True,
    help="Two halves, of which a server needs only the one that verifies; or one secret for both sides.",
)
def new_key(name: str, kind: KeyKind) -> None:
    """Make a key with which ops are signed.

    NAME is what signatures name the key by: whose it is, and since when. The lines that are printed are settings;
    keep the one with the signing key where other secrets are kept.
    """
    from chariots.op_store.trusting.keys import new_keys

    signing, verifying = new_keys(name, kind)
    click.echo("# where ops are trained and saved; a secret")
    click.echo(f"CHARIOTS_OP_STORE_SIGNING_KEY={signing.text}")
    click.echo(f"# where ops are only kept, loaded and served{'; the same secret' * (kind == 'hmac')}")
    click.echo(f"CHARIOTS_OP_STORE_VERIFY_KEYS={verifying.text}")


@click.command()
def new_token() -> None:
    """Make a token by which an op store knows a client.

    Give it to the server in CHARIOTS_OP_STORE_TOKENS, behind the scope it is for (read:TOKEN, write:TOKEN or
    admin:TOKEN, with commas between several), and to the client in CHARIOTS_OP_STORE_TOKEN.
    """
    import secrets

    click.echo(secrets.token_urlsafe(32))


@click.command()
@click.argument("ops", nargs=-1, metavar="[OP]...")
@click.option(
    "--replace",
    multiple=True,
    metavar="KEY",
    help="Sign anew what this trusted key signed, because it is to go; may be given several times.",
)
@store_options
def sign(ops: tuple[str, ...], replace: tuple[str, ...], **where: Any) -> None:
    """Sign what a store has, with the signing key of the settings.

    Every version of the named OPs, or of all ops, that has no signature trusted here gets one, once its bytes are
    found to be those that were saved. Do this when you begin to ask for signatures, or change the key: whoever signs
    says that the bytes are to be trusted.
    """
    from chariots.op_store.trusting.signing import sign_versions

    settings = store_settings(**where)
    server = settings.get_server()
    if server.trust.signing_key is None:
        raise Failure(
            "what the store has was to be signed, and there is no key to sign with; make one with 'chariots op-store "
            "new-key NAME' and set CHARIOTS_OP_STORE_SIGNING_KEY."
        )
    done = sign_versions(server.registry, ops, replace)
    for problem in done.problems:
        click.echo(problem, err=True)
    click.echo(
        f"{done.signed} version{'s' * (done.signed != 1)} signed by {server.trust.signing_key.name!r}, "
        f"{done.trusted} already signed by a trusted key."
    )
    if done.problems:
        raise Failure(f"{len(done.problems)} could not be signed, see above.")
