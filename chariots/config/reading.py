"""What do the YAML file and the environment say, and is every word of it a setting we know?"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chariots.config.checks import CODE_ONLY, SECTIONS, kind, mapping
from chariots.errors import nearest

__all__ = ["merged", "read_environment", "read_file", "settle"]

ENVIRONMENT_PREFIX = "CHARIOTS_"
# A Kubernetes service named chariots-op-store puts variables of these forms in every container beside it.
KUBERNETES = re.compile(r"SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?")


def settle(section: str, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Decides every value of a section: what was given in code, else the environment, else the default.

    Args:
        section: ``op_store``, ``pipelines`` or ``pipelines_workers``.
        given: the arguments as they came; None means not given.
        defaults: the values of last resort.

    Returns:
        one value for every key of ``given``.

    Raises:
        ValueError: when a value has the wrong type, or the environment names an unknown key.
    """
    environment = read_environment(section)
    checks = SECTIONS[section]
    settled = {}
    for key, value in given.items():
        if value is not None:
            settled[key] = checks[key](value, f"the argument {key}")
        else:
            settled[key] = environment.get(key, defaults.get(key))
    return settled


def merged(file: Mapping[str, Any], environment: Mapping[str, Any]) -> dict[str, Any]:
    """Lays the environment over the file; mappings are merged key by key."""
    result = dict(file)
    for key, value in environment.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result


def read_file(path: str | os.PathLike[str]) -> dict[str, dict[str, Any]]:
    """Reads a configuration file.

    Args:
        path: a YAML file; an empty one is fine.

    Returns:
        for each section in the file, its checked values; keys left empty are left out.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is not YAML, or holds an unknown section or key, or a value of the wrong type.
    """
    import yaml

    name = os.fspath(path)
    try:
        with Path(path).open("rb") as file:
            content = yaml.safe_load(file)
    except yaml.YAMLError as error:
        raise ValueError(f"{name} is not readable as YAML: {' '.join(str(error).split())}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ValueError(
            f"{name} holds {kind(content)} at the top, where a mapping of sections is expected; "
            f"the sections are {', '.join(SECTIONS)}."
        )
    return {
        section: _read_section(name, section, values)
        for section, values in content.items()
        if _known(section, SECTIONS, f"{name}: the section {section!r}", "sections") and values is not None
    }


def read_environment(section: str) -> dict[str, Any]:
    """Reads the values of one section from variables such as ``CHARIOTS_OP_STORE_SERVER_PORT``.

    Two underscores step into a mapping: ``CHARIOTS_OP_STORE_SAVER_KWARGS__ROOT_PATH``. What stands there, or
    in a variable that holds a whole mapping, is read as JSON where it is JSON and as text otherwise. An
    empty variable counts as not set.

    Raises:
        ValueError: when a variable names an unknown key of the section or holds a value of the wrong type.
    """
    values: dict[str, Any] = {}
    for variable, key in sorted(_variables_of(section)):
        first, *path = key.lower().split("__")
        where = f"the environment variable {variable}"
        _known(first, SECTIONS[section], where, f"keys of {section!r}")
        value = os.environ[variable]
        if path:
            if SECTIONS[section][first] is not mapping:
                raise ValueError(f"{where} steps into {first!r}, which is no mapping; set {first!r} itself.")
            nested: Any = _json_or_text(value)
            for step in reversed(path):
                nested = {step: nested}
            values = merged(values, {first: nested})
        else:
            values[first] = SECTIONS[section][first](_json_or_text(value) if first.endswith("kwargs") else value, where)
    return values


def _variables_of(section: str) -> list[tuple[str, str]]:
    """The variables that are set for a section, each with what follows the section's name."""
    found = []
    # CHARIOTS_PIPELINES_WORKERS_X belongs to pipelines_workers, not to pipelines: the longest name decides.
    by_length = sorted(SECTIONS, key=len, reverse=True)
    for variable, value in os.environ.items():
        rest = variable.removeprefix(ENVIRONMENT_PREFIX)
        if rest == variable or not value:
            continue
        owner = next((name for name in by_length if rest.startswith(f"{name.upper()}_")), None)
        if owner == section:
            key = rest[len(owner) + 1 :]
            if not KUBERNETES.fullmatch(key):
                found.append((variable, key))
    return found


def _read_section(file: str, section: str, values: Any) -> dict[str, Any]:
    """The checked values of one section of the file."""
    if not isinstance(values, dict):
        raise ValueError(
            f"{file}: the section {section!r} holds {kind(values)}, where a mapping is expected; "
            f"its keys are {', '.join(SECTIONS[section])}."
        )
    read = {}
    for key, value in values.items():
        where = f"{file}: the key {key!r} of the section {section!r}"
        if key in CODE_ONLY.get(section, ()):
            raise ValueError(
                f"{where} cannot be filled from a file, because it holds Python objects; "
                f"append to config.pipelines_config.{key} after the file is loaded."
            )
        _known(key, SECTIONS[section], where, f"keys of {section!r}")
        if value is not None:
            read[key] = SECTIONS[section][key](value, where)
    return read


def _known(name: Any, known: Mapping[str, Any], where: str, what: str) -> bool:
    if name in known:
        return True
    raise ValueError(f"{where} is not known.{nearest(str(name), known)} The {what} are {', '.join(known)}.")


def _json_or_text(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value
