"""What does an object contain that is neither a number, a text nor a plain container?

Types of optional libraries are looked up among the modules that are already imported: a value of such a type
cannot exist before its library was.
"""

from __future__ import annotations

import functools
import re
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

from chariots.versioning.content import Encoder

__all__ = ["encode_object", "qualified_name"]

_Handler = Callable[[Encoder, Any], bytes]
_ATOMS = (int, float, complex, str, bytes, bytearray)
_COLLECTIONS = (dict, set, frozenset, list, tuple)
_ADDRESS = re.compile(r"0x[0-9A-Fa-f]{4,}")


def encode_object(encoder: Encoder, value: Any) -> bytes:
    """Encodes a value that is no plain builtin.

    Args:
        encoder: what encodes the parts.
        value: the object.

    Returns:
        its form in the numbered format.

    Raises:
        TypeError: if it has no stable content.
    """
    kind = type(value)
    if issubclass(kind, type):
        return encoder.parts("class", qualified_name(value))
    if hasattr(kind, "__chariots_hash__"):
        return encoder.parts("object", qualified_name(kind), _asked(encoder, value, value.__chariots_hash__))
    for module, name, handler in _KNOWN:
        known = getattr(sys.modules.get(module), name, None)
        if known is not None and issubclass(kind, known) and not (encoder.only_data and handler is _function):
            return handler(encoder, value)
    attempts = _WHOLE if encoder.only_data else (*_DECLARED, _named, _text)
    for attempt in attempts:
        found = attempt(encoder, value)
        if found is not None:
            return found
    if encoder.only_data:
        raise encoder.refusal(value, "nobody but its class can tell all that it holds")
    raise encoder.refusal(value, "its class has neither fields nor a text of its own that say what it holds")


def qualified_name(target: Any) -> str:
    """The module and qualified name of a class or function, the same whether its file is imported or run."""
    module = target.__module__
    if module == "__main__":
        main = sys.modules.get("__main__")
        spec = getattr(main, "__spec__", None)
        path = str(getattr(main, "__file__", None) or "__main__")
        module = spec.name if spec else path.replace("\\", "/").rpartition("/")[2].removesuffix(".py")
    return f"{module}:{target.__qualname__}"


def _record(encoder: Encoder, tag: str, value: Any, fields: Mapping[str, Any]) -> bytes:
    """An object by its class and its named parts."""
    return encoder.parts(tag, qualified_name(type(value)), dict(fields))


def _enum(encoder: Encoder, value: Any) -> bytes:
    return encoder.parts("enum", qualified_name(type(value)), value.name, value._value_)


def _datetime(encoder: Encoder, value: Any) -> bytes:
    return encoder.parts("datetime", value.replace(tzinfo=None).isoformat(), value.fold, value.tzinfo)


def _time(encoder: Encoder, value: Any) -> bytes:
    return encoder.parts("time", value.replace(tzinfo=None).isoformat(), value.fold, value.tzinfo)


def _zone(encoder: Encoder, value: Any) -> bytes:
    key = getattr(value, "key", None)
    return encoder.parts("zone", key if isinstance(key, str) else f"{type(value).__name__} {value!r}")


def _function(encoder: Encoder, value: Any) -> bytes:
    from chariots.versioning.live import function_syntax, is_standard

    function = value
    seen = {id(function)}
    while (inner := getattr(function, "__wrapped__", None)) is not None and id(inner) not in seen:
        function = inner
        seen.add(id(function))
    if not isinstance(function, types.FunctionType):
        return encoder.parts("wrapper", function)
    if is_standard(function):
        return encoder.parts("named", qualified_name(function))
    syntax = function_syntax(function)
    if syntax is None:
        raise encoder.refusal(value, "Python has no source for it, and its bytecode changes between releases")
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    closure = {name: cell.cell_contents for name, cell in cells if not _is_unset(cell)}
    return encoder.parts("function", syntax, function.__defaults__, function.__kwdefaults__, closure)


def _is_unset(cell: types.CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return True
    return False


def _builtin(encoder: Encoder, value: Any) -> bytes:
    owner: Any = value.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        return encoder.parts("named", f"{value.__module__ or getattr(owner, '__name__', '')}:{value.__qualname__}")
    return encoder.parts("method", value.__name__, owner)


def _partial(encoder: Encoder, value: Any) -> bytes:
    return encoder.parts("partial", qualified_name(type(value)), value.func, value.args, dict(value.keywords))


def _alias(encoder: Encoder, value: Any) -> bytes:
    return encoder.parts("alias", typing.get_origin(value), typing.get_args(value))


def _ordered_dict(encoder: Encoder, value: Any) -> bytes:
    return encoder.parts("ordered-dict", qualified_name(type(value)), list(value.items()))


def _default_dict(encoder: Encoder, value: Any) -> bytes:
    return encoder.parts("default-dict", qualified_name(type(value)), dict(value), value.default_factory)


def _deque(encoder: Encoder, value: Any) -> bytes:
    return encoder.parts("deque", qualified_name(type(value)), list(value), value.maxlen)


_KNOWN: list[tuple[str, str, _Handler]] = [
    ("enum", "Enum", _enum),
    ("types", "FunctionType", _function),
    ("types", "MethodType", lambda e, v: e.parts("method", v.__func__, v.__self__)),
    ("types", "BuiltinFunctionType", _builtin),
    ("types", "MethodDescriptorType", lambda e, v: e.parts("descriptor", v.__objclass__, v.__name__)),
    ("types", "WrapperDescriptorType", lambda e, v: e.parts("descriptor", v.__objclass__, v.__name__)),
    ("types", "ModuleType", lambda e, v: e.parts("module", v.__name__)),
    ("types", "GenericAlias", _alias),
    ("types", "UnionType", _alias),
    ("typing", "_GenericAlias", _alias),
    ("functools", "partial", _partial),
    ("functools", "partialmethod", _partial),
    ("functools", "_lru_cache_wrapper", _function),
    ("collections", "OrderedDict", _ordered_dict),
    ("collections", "defaultdict", _default_dict),
    ("collections", "deque", _deque),
    ("decimal", "Decimal", lambda e, v: e.parts("decimal", str(v))),
    ("fractions", "Fraction", lambda e, v: e.parts("fraction", v.numerator, v.denominator)),
    ("uuid", "UUID", lambda e, v: e.parts("uuid", v.bytes)),
    ("pathlib", "PurePath", lambda e, v: e.parts("path", v.as_posix())),
    ("re", "Pattern", lambda e, v: e.parts("pattern", v.pattern, v.flags)),
]
# pandas' own moments are datetimes too, so these come after the scientific types.
_MOMENTS: list[tuple[str, str, _Handler]] = [
    ("datetime", "datetime", _datetime),
    ("datetime", "date", lambda e, v: e.parts("date", v.isoformat())),
    ("datetime", "time", _time),
    ("datetime", "timedelta", lambda e, v: e.parts("timedelta", v.days, v.seconds, v.microseconds)),
    ("datetime", "timezone", lambda e, v: e.parts("zone", repr(v))),
    ("zoneinfo", "ZoneInfo", _zone),
]


def _scientific(encoder: Encoder, value: Any) -> bytes | None:
    """Arrays, frames and moments, asked of the libraries that are imported."""
    found: bytes | None = None
    if "pyarrow" in sys.modules:
        from chariots.versioning.content_arrow import encode_arrow

        found = encode_arrow(encoder, value)
    if found is None and "pandas" in sys.modules:
        from chariots.versioning.content_pandas import encode_pandas

        found = encode_pandas(encoder, value)
    if found is None and "numpy" in sys.modules:
        from chariots.versioning.content_numpy import encode_numpy

        found = encode_numpy(encoder, value)
    if found is None:
        for module, name, handler in _MOMENTS:
            known = getattr(sys.modules.get(module), name, None)
            if known is not None and issubclass(type(value), known):
                return handler(encoder, value)
    return found


def _declared_fields(encoder: Encoder, value: Any) -> bytes | None:
    """Dataclasses, named tuples, attrs classes and pydantic models, by their fields."""
    kind = type(value)
    if "pydantic" in sys.modules and isinstance(getattr(kind, "model_fields", None), dict):
        return _record(encoder, "fields", value, {**vars(value), **(value.__pydantic_extra__ or {})})
    if isinstance(getattr(kind, "__dataclass_fields__", None), dict):
        names = list(kind.__dataclass_fields__)
    elif hasattr(kind, "__attrs_attrs__"):
        names = [attribute.name for attribute in kind.__attrs_attrs__]
    elif issubclass(kind, tuple) and isinstance(getattr(value, "_fields", None), tuple):
        names = list(value._fields)
    else:
        return None
    fields = {name: getattr(value, name) for name in names if hasattr(value, name)}
    return _record(encoder, "fields", value, fields)


def _whole_fields(encoder: Encoder, value: Any) -> bytes | None:
    """What `_declared_fields` takes, by everything it holds, whether that was declared or not."""
    known = _declared_fields(encoder, value)
    if known is None or not hasattr(value, "__dict__"):
        return known
    return known + encoder.encode(dict(vars(value)))


def _parameters(encoder: Encoder, value: Any) -> bytes | None:
    """Estimators as scikit-learn knows them, by their parameters."""
    if not callable(getattr(type(value), "get_params", None)):
        return None
    return _record(encoder, "parameters", value, _asked(encoder, value, lambda: value.get_params(deep=False)))


def _container(encoder: Encoder, value: Any) -> bytes | None:
    """Subclasses of the builtin types and other containers: class, items, and attributes of their own."""
    kind = type(value)
    items: Any
    if issubclass(kind, _ATOMS):
        items = next(_plain(value, base) for base in _ATOMS if issubclass(kind, base))
    elif issubclass(kind, Mapping):
        items = dict(value.items())
    elif issubclass(kind, Set):
        items = set(value)
    elif issubclass(kind, Sequence):
        items = list(value)
    else:
        return None
    attributes = dict(getattr(value, "__dict__", {})) if issubclass(kind, (*_ATOMS, *_COLLECTIONS)) else {}
    return encoder.parts("container", qualified_name(kind), items, attributes)


def _whole_container(encoder: Encoder, value: Any) -> bytes | None:
    """Subclasses of the builtin types; any other class may hold what its items do not show."""
    return _container(encoder, value) if issubclass(type(value), (*_ATOMS, *_COLLECTIONS)) else None


def _plain(value: Any, base: type) -> Any:
    """A value of a subclass of a builtin type as that builtin type, whatever the subclass overrides."""
    if base in (bytes, bytearray):
        return bytes(memoryview(value))
    if base is str:
        return "".join(str.__iter__(value))
    if base is complex:
        return complex(value.real, value.imag)
    return int.__index__(value) + 0 if base is int else float.__float__(value)


def _named(encoder: Encoder, value: Any) -> bytes | None:
    """A callable object that can be imported under a name, such as the functions of numpy."""
    if not callable(value):
        return None
    # Looked up where it may be, not asked for: an object may answer any name with anything.
    places = [getattr(value, "__dict__", {}), *(vars(base) for base in type(value).__mro__)]
    names = [name for name in ("__qualname__", "__name__") if any(name in place for place in places)]
    module, name = value.__module__, getattr(value, names[0], None) if names else None
    if not isinstance(module, str) or not isinstance(name, str):
        return None
    try:
        found = functools.reduce(getattr, name.split("."), sys.modules.get(module))
    except AttributeError:
        return None
    return encoder.parts("named", f"{module}:{name}") if found is value else None


def _asked(encoder: Encoder, value: Any, question: Callable[[], Any]) -> Any:
    """What an object says about itself, or the refusal where it fails to."""
    try:
        return question()
    except Exception as error:
        raise encoder.refusal(value, f"asked what it is made from, it failed with {error!r}") from error


def _text(encoder: Encoder, value: Any) -> bytes | None:
    """An object whose class writes a text about it, where that text can be trusted to say it all."""
    kind: Any = type(value)
    if kind.__repr__ is not object.__repr__:
        text = _asked(encoder, value, lambda: repr(value))
    elif kind.__str__ is not object.__str__:
        text = _asked(encoder, value, lambda: str(value))
    else:
        return None
    if _ADDRESS.search(text):
        raise encoder.refusal(value, "its text shows a memory address, which differs in every process")
    if "..." in text or "\N{HORIZONTAL ELLIPSIS}" in text:
        raise encoder.refusal(value, "its text is shortened, and so the same for different contents")
    if any(isinstance(item, (set, frozenset)) and len(item) > 1 for item in _attributes(value)):
        raise encoder.refusal(value, "it holds a set, whose text has another order in every process")
    return encoder.parts("text", qualified_name(kind), text)


def _attributes(value: Any, depth: int = 3) -> list[Any]:
    """What an object holds, a few levels down."""
    if depth == 0:
        return []
    if isinstance(value, Mapping):
        held = [*value, *value.values()]
    elif isinstance(value, (list, tuple)):
        held = list(value)
    else:
        slots = [name for base in type(value).__mro__ for name in getattr(base, "__slots__", ()) or ()]
        held = [*vars(value).values()] if hasattr(value, "__dict__") else []
        held += [getattr(value, name, None) for name in slots if isinstance(name, str)]
    return held + [inner for item in held for inner in _attributes(item, depth - 1)]


# What shows a value as its author declared it, and what shows all that it holds.
_DECLARED = (_scientific, _declared_fields, _parameters, _container)
_WHOLE = (_scientific, _whole_fields, _whole_container)
