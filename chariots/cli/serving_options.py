"""How is what `chariots.web.settings` knows said on a command line?"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from chariots.cli.commands import Failure
from chariots.web.settings import OF_THE_SERVER, SETTINGS, config_key, given_in_environment

__all__ = ["as_configuration", "decided", "serving_options"]

SHORT: Final = {"workers": ("-w",), "threads": ("-t",)}
SEVERAL: Final = ("allowed_hosts", "allowed_origins")  # an option for each of them


class _Value(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic from click 8.4 on
    """The value of one setting."""

    def __init__(self, setting: str) -> None:
        self.name = setting

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Checks it as it is checked wherever else it is said."""
        try:
            return SETTINGS[self.name].check(value, "the option")
        except ValueError as error:
            self.fail(str(error), param, ctx)


def serving_options(*, leave_out: tuple[str, ...] = ()) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds an option for every setting that has one; the command gets what was given, by name, as ``serving``.

    Args:
        leave_out: settings that the command has no use for, or options of its own.
    """
    names = [name for name, setting in SETTINGS.items() if setting.metavar is not None and name not in leave_out]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_settings(*args: Any, **given: Any) -> Any:
            serving = {name: given.pop(name) for name in names}
            return command(
                *args, serving={name: one for name, one in serving.items() if one not in (None, ())}, **given
            )

        wrapped: Callable[..., Any] = with_settings
        for name in reversed(names):
            wrapped = _option(name)(wrapped)
        return wrapped

    return decorate


def decided(serving: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting: what the options say, else the environment, else the default.

    Args:
        serving: what the options say.

    Raises:
        Failure: when the environment holds what cannot be, or two settings contradict one another.
    """
    try:
        defaults = {name: setting.default for name, setting in SETTINGS.items()}
        found = {**defaults, **given_in_environment(), **serving}
    except ValueError as error:
        raise Failure(str(error)) from error
    if found["tls_cert"] is None and (found["tls_key"] or found["tls_ca"]):
        raise Failure("TLS was asked for without a certificate; give --tls-cert FILE as well.")
    return found


def as_configuration(serving: Mapping[str, Any]) -> dict[str, Any]:
    """What the options say about the application, as keys of its Flask configuration."""
    return {config_key(name): value for name, value in serving.items() if name not in OF_THE_SERVER}


def _option(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    setting, flag = SETTINGS[name], f"--{name.replace('_', '-')}"
    if name in SEVERAL:
        kind, told = click.STRING, f"{setting.help} May be repeated."
        return click.option(flag.removesuffix("s"), name, multiple=True, type=kind, metavar=setting.metavar, help=told)
    return click.option(flag, *SHORT.get(name, ()), name, type=_Value(name), metavar=setting.metavar, help=setting.help)
