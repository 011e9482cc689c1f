"""What does a configuration file say about how pipelines are served?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from chariots.config.reading import merged, read_environment
from chariots.web.settings import OF_THE_SERVER, SETTINGS, VARIABLES, config_key

if TYPE_CHECKING:
    import flask

__all__ = ["ServingConfig"]


class ServingConfig:
    """Who may call a pipelines server, how much, and what is measured of it.

    Args:
        **settings: those of `chariots.web.settings` that an application has; what is not given comes from
            ``CHARIOTS_SERVING_...`` or is the default.

    Raises:
        ValueError: when a value is of the wrong type.
        TypeError: when a name is not known, or is decided before there is an application.
    """

    section = "serving"

    def __init__(self, **settings: Any) -> None:
        for name in settings:
            if name not in SETTINGS or name in OF_THE_SERVER:
                raise TypeError(f"ServingConfig got {name!r}, which is no setting of an application")
        given = {
            name: SETTINGS[name].check(value, f"the argument {name}")
            for name, value in settings.items()
            if value is not None
        }
        environment = read_environment(self.section)
        self.settings: dict[str, Any] = {
            name: value for name, value in {**environment, **given}.items() if name not in OF_THE_SERVER
        }

    @classmethod
    def from_file(cls, values: Mapping[str, Any] | None) -> Self:
        """Makes the section from the checked values of a file, with the environment laid over them.

        Raises:
            ValueError: when the file says what is decided before there is an application.
        """
        found = dict(values or {})
        for name in found:
            if name in OF_THE_SERVER:
                raise ValueError(
                    f"the key {name!r} of the section 'serving' is decided before the application reads its file; "
                    f"say it with --{name.replace('_', '-')}, or in the variable {VARIABLES}{name.upper()}."
                )
        laid_over = merged(found, read_environment(cls.section))
        return cls(**{name: value for name, value in laid_over.items() if name not in OF_THE_SERVER})

    def apply(self, app: flask.Flask) -> None:
        """Says to an application what this section says.

        Args:
            app: a server; its Flask configuration holds the settings then.
        """
        app.config.update({config_key(name): value for name, value in self.settings.items()})
