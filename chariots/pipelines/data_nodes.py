"""How does data get into a pipeline from a file or a bucket, and out of it into one?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

from chariots.pipelines.base_node import BaseNode, NodeLike
from chariots.pipelines.data_formats import Serializer, data_format
from chariots.pipelines.data_places import Place, Saver
from chariots.pipelines.node_options import node_options
from chariots.pipelines.store import OpStoreProtocol
from chariots.versioning import Version, VersionType, content_hash
from chariots.versioning.version import sha1_hex

if TYPE_CHECKING:
    from chariots.web.retry import RetryPolicy

__all__ = ["DataLoadingNode", "DataNode", "DataSavingNode"]


class DataNode(BaseNode):
    """A node without an op, which loads or saves data; its version is the content of that data.

    Args:
        path: the path of a file, or a URL such as ``s3://bucket/folder/name.csv`` (``gs``, ``az`` and ``file`` as
            well); with a saver, the path below its root.
        input_nodes: what the node reads; see `BaseNode`.
        output_nodes: names for what it gives; see `BaseNode`.
        name: the name of the node; by default the name of the file without its suffix.
        saver: who keeps the data: an object with ``load(path)`` and ``save(bytes, path)``.
        format: ``csv``, ``parquet``, ``json``, ``npy`` or ``pickle``, or a serializer; by default what the suffix says.
            Reading a pickle runs whatever code its writer put into it, so that it has to be asked for by name.
        format_options: further arguments for what reads or writes the format: ``pandas.read_csv`` or ``to_csv``,
            ``pandas.read_parquet`` or ``to_parquet``, ``numpy.load`` or ``save``, ``json.loads``, ``pickle.loads`` or
            ``dumps``.
        affected_version: the subversion in which the content counts.
        retries: how often it is tried again when it fails, or a whole policy with its pauses.
        timeout: how many seconds one attempt may take.
        resources: what it needs while it runs; see `chariots.pipelines.nodes.Node`.

    Raises:
        ValueError: if the path names no file, or its format is not known.
        TypeError: if the saver or the format is of the wrong kind.
    """

    _read_or_written: Version | None = None  # by this very object

    def __init__(
        self,
        path: str | os.PathLike[str],
        input_nodes: Iterable[NodeLike] | NodeLike | None = None,
        output_nodes: Iterable[NodeLike] | NodeLike | None = None,
        *,
        name: str | None = None,
        saver: Saver | None = None,
        format: str | Serializer | None = None,
        format_options: Mapping[str, Any] | None = None,
        affected_version: VersionType | str = VersionType.PATCH,
        retries: int | RetryPolicy = 0,
        timeout: float | None = None,
        resources: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(input_nodes, output_nodes)
        if name is not None and (not isinstance(name, str) or not name):
            raise ValueError(f"the name of a node is a string that is not empty, not {name!r}")
        who = f"a {type(self).__name__}" if name is None else f"node {name!r}"
        #: Where the data is.
        self.place = Place(who, path, saver)
        self._name = name or self.place.name.partition(".")[0] or self.place.name
        who = f"node {self._name!r}"
        #: In which form it is kept.
        self.format = data_format(who, self.place.name, format, dict(format_options or {}))
        #: The subversion in which the content counts.
        self.affected_version = VersionType(affected_version)
        # How the bytes are understood is part of what the data is.
        self._form = content_hash((self.format.name, dict(self.format.options)), where=f"the format_options of {who}")
        self._memory = _Memory()
        if retries or timeout is not None or resources:
            self.options = node_options(who, retries=retries, timeout=timeout, resources=resources)

    @property
    def name(self) -> str:
        """The name of the node."""
        return self._name

    @property
    def require_saver(self) -> bool:
        """Always true: a saver is what reads and writes the bytes."""
        return True

    @property
    def node_version(self) -> Version:
        """The version of the content: of what this node read or wrote last, else of what is there now.

        What is there is only read to find out if it may have changed since it was read last. Nothing at all has the
        empty version.
        """
        if self._read_or_written is not None:
            return self._read_or_written
        try:
            stamp = self.place.stamp()
            known, version = self._memory.known
            if stamp is not None and stamp == known:
                return version
            version = self._version_of(self.place.digest())
        except FileNotFoundError:
            return Version(creation_time=0.0)
        self._memory.known = stamp, version
        return version

    def load_latest_version(self, store_to_look_in: OpStoreProtocol) -> Self:
        """Forgets what was read or written, so that the version is that of what is there now.

        Args:
            store_to_look_in: the op store, which has nothing for this node.
        """
        self._read_or_written = None
        return self

    def _version_of(self, digest: str) -> Version:
        """The version of some content; the same object while the content is the same, for a version has a time."""
        version = Version().update(self.affected_version, f"{self._form}{digest}".encode())
        known = self._memory.known[1]
        if version == known:
            return known
        self._memory.known = None, version
        return version


class DataLoadingNode(DataNode):
    """A node that loads data and gives it to the nodes that read it.

    >>> import pathlib
    >>> from chariots.pipelines import Pipeline
    >>> from chariots.pipelines.nodes import DataLoadingNode
    >>> from chariots.pipelines.runners import SequentialRunner
    >>> _ = pathlib.Path("numbers.json").write_text("[1, 2, 3]")
    >>> pipeline = Pipeline([DataLoadingNode("numbers.json", output_nodes="__pipeline_output__")], "numbers")
    >>> SequentialRunner().run(pipeline)
    [1, 2, 3]

    Its version is the content that it loaded last, or would load now. So what learned from the data is linked to that
    content, and other data is seen to be other data. By default it counts in the patch version, which keeps nothing
    from being loaded.

    CSV and Parquet become a pandas DataFrame, npy an array, JSON what `json.loads` makes of it. If the node has inputs,
    it waits for them and does not look at them. See `DataNode` for the arguments.
    """

    def execute(self, *params: Any) -> Any:
        """Loads the data.

        Args:
            *params: what it waited for.

        Returns:
            the data.

        Raises:
            FileNotFoundError: if there is none.
        """
        try:
            data = self.place.read()
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"node {self.name!r} was to load {self.place}, and nothing is there; write it first, or correct "
                "the path"
            ) from error
        self._read_or_written = self._version_of(sha1_hex(data))
        try:
            return self.format.load(data)
        except Exception as error:
            error.add_note(f"{self.place} was read as {self.format.name}")
            raise


class DataSavingNode(DataNode):
    """A node that saves what it reads, and gives it on.

    >>> import pathlib
    >>> from chariots.pipelines import Pipeline
    >>> from chariots.pipelines.nodes import DataSavingNode
    >>> from chariots.pipelines.runners import SequentialRunner
    >>> node = DataSavingNode("saved.json", ["__pipeline_input__"], "__pipeline_output__")
    >>> pipeline = Pipeline([node], "numbers")
    >>> SequentialRunner().run(pipeline, [1, 2, 3])
    [1, 2, 3]
    >>> pathlib.Path("saved.json").read_text()
    '[1,2,3]'

    Whoever reads the place meanwhile finds the old data or the new, whole. The version of the node is the content that
    it saved last.

    CSV and Parquet are for pandas frames, npy for arrays, JSON for everything that a server could answer with. CSV
    keeps an index that has a name, as a column. See `DataNode` for the arguments.
    """

    arity = 1

    def execute(self, *params: Any) -> Any:
        """Saves the data.

        Args:
            *params: the data, one value.

        Returns:
            the same.

        Raises:
            ValueError: if it got more than one value, or none.
            OSError: if it cannot be kept; what was there before is untouched.
        """
        if len(params) != 1:
            raise ValueError(
                f"node {self.name!r} saves one value and got {len(params)}; join them in a node before it, or save each"
            )
        try:
            data = self.format.dump(params[0])
        except Exception as error:
            error.add_note(f"{self.place} was to be written as {self.format.name}")
            raise
        self.place.write(data)
        self._read_or_written = self._version_of(sha1_hex(data))
        return params[0]


class _Memory:
    """What was last found out of the content of a place; copies of a node share it."""

    def __init__(self) -> None:
        #: The stamp, if that is known, and the version; one value, so that threads see both or neither.
        self.known: tuple[str | None, Version] = None, Version(creation_time=0.0)
