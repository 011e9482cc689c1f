"""Does an input fit the pipeline it was sent to, and what do the nodes get?

The nodes that read ``__pipeline_input__`` declare in their signature what they take. A value is checked against
every one of these hints. Where the hints agree, the value is converted once and every reader gets the converted
one; where two readers declare different types, each must accept the value and all get it as it came.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import GenericAlias
from typing import TYPE_CHECKING, Any

from chariots import schema
from chariots.errors import InputError
from chariots.pipelines.mapping_nodes import MapNode
from chariots.pipelines.nodes import Node

if TYPE_CHECKING:
    from chariots.pipelines import Pipeline
    from chariots.pipelines.nodes import BaseNode
    from chariots.schema import Adapter, Parameter

__all__ = ["ABSENT", "InputReader"]

INPUT_KEY = "pipeline_input"
ABSENT: Any = object()  # stands for an input that was not sent at all


@dataclass(frozen=True, slots=True)
class _Reader:
    """One argument of one node that the pipeline's input fills."""

    node: str
    parameter: Parameter | None

    @property
    def admits_none(self) -> bool:
        """Whether leaving the input out was thought of: ``| None`` in the hint, or a default where there is none."""
        if self.parameter is None:
            return False
        return self.parameter.has_default if self.parameter.hint is Any else self.parameter.optional

    def __str__(self) -> str:
        return f"node {self.node!r}" + (f" (as {self.parameter.name!r})" if self.parameter else "")


class InputReader:
    """Checks and converts the input of one pipeline; made once, when the server starts.

    Args:
        pipeline: the pipeline.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline_name = pipeline.name
        self._readers = [_Reader(node.name, _parameter(node, at)) for node, at in pipeline.nodes_reading_input]
        self.takes_input = pipeline.takes_input
        #: Whether the pipeline may be called without an input.
        self.admits_none = any(reader.admits_none for reader in self._readers)
        adapters: list[Adapter] = []
        for reader in self._readers:
            if reader.parameter is not None and reader.parameter.hint is not Any:
                found = schema.adapter(reader.parameter.hint)
                if found.typed and all(found.hint != other.hint for other in adapters):
                    adapters.append(found)
        self._adapters = adapters
        #: What the readers declare, where they agree; ``Any`` where they do not, or say nothing.
        self.hint: Any = adapters[0].hint if len(adapters) == 1 else Any

    def read(self, value: Any) -> Any:
        """Returns what the nodes shall get for a value that was sent.

        Args:
            value: the value as JSON gave it, or `ABSENT`.

        Raises:
            InputError: if the pipeline takes no input and got one, needs one and got none, or the value does not
                have the declared type; the message names the place.
        """
        if value is ABSENT or value is None:
            if self.takes_input and not self.admits_none:
                raise self._missing(value)
            value = None
        elif not self.takes_input:
            raise InputError(
                f"pipeline {self._pipeline_name!r} was sent an input, but none of its nodes reads one. "
                f"Leave {INPUT_KEY!r} out, or let a node read '__pipeline_input__'.",
                errors=[{"loc": [INPUT_KEY], "expected": "nothing", "got": "a value"}],
            )
        adapters = self._adapters
        if not adapters:
            return value
        converted = [adapter.decode(value, (INPUT_KEY,)) for adapter in adapters]
        return converted[0] if len(converted) == 1 else value

    def json_schema(self, ref_template: str = "#/$defs/{model}") -> dict[str, Any]:
        """Describes the accepted inputs (JSON Schema 2020-12).

        Args:
            ref_template: where references point; definitions come under ``$defs`` of the schema or its parts.
        """
        if not self.takes_input:
            return {"type": "null"}
        every = (adapter.json_schema(ref_template) for adapter in self._adapters)
        schemas = [described for described in every if described]
        if not schemas:
            kinds = ["string", "number", "boolean", "object", "array"]
            return {} if self.admits_none else {"type": kinds}
        return schemas[0] if len(schemas) == 1 else {"allOf": schemas}

    def _missing(self, value: Any) -> InputError:
        reader = self._readers[0] if self._readers else _Reader("?", None)
        return InputError(
            f"pipeline {self._pipeline_name!r} was called without an input, but {reader} needs one. "
            f'Send {{"{INPUT_KEY}": ...}}; if nothing at all is a good input, declare it in the signature, '
            "as 'x=None' or 'x: float | None'.",
            errors=[{"loc": [INPUT_KEY], "expected": "a value", "got": "nothing" if value is ABSENT else "null"}],
        )


def _parameter(node: BaseNode, position: int) -> Parameter | None:
    """The parameter that a node's argument ends in; None where the signature does not say."""
    if not isinstance(node, Node):
        return None
    if isinstance(node, MapNode):
        return _list_parameter(node)
    parameters = schema.parameter_hints(node.op.execute)
    return parameters[position] if position < len(parameters) else None


def _list_parameter(node: MapNode) -> Parameter | None:
    """The parameter that the elements end in which a node maps over, as that of a list; None where it is not clear."""
    parameters = [_parameter(reader, at) for reader, at in node.mapped.nodes_reading_input]
    typed = [one for one in parameters if one is not None and one.hint is not Any]
    if not typed or any(one.hint != typed[0].hint for one in typed):
        return None
    return schema.Parameter(typed[0].name, GenericAlias(list, (typed[0].hint,)), has_default=False, optional=False)
