"""How do a runner and its processes talk? In messages over a socket, with values and their memory beside them.

A message is a header (the length of the body and the number of file descriptors), the descriptors in groups, each with
one byte, and the body: a pickle. Both ends are processes of one user, one of which has started the other.
"""

from __future__ import annotations

import os
import pickle
import socket
import struct
import threading
import time
from collections.abc import Sequence
from typing import Any

from chariots.pipelines.processes.mappings import Slice
from chariots.pipelines.processes.segments import Segment, received
from chariots.pipelines.processes.shared import Packed

__all__ = ["Channel", "inherited", "pair"]

_HEADER = struct.Struct("<QI")
_GROUP = 128  # descriptors that travel with one byte; the limit of Linux is 253
_FLAGS = getattr(socket, "MSG_CMSG_CLOEXEC", 0)  # a process that an op starts must not hold the memory


class Channel:
    """One end of the connection.

    Args:
        connection: a connected socket of the family ``AF_UNIX``.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._sending = threading.Lock()  # an op may tell of its progress from any thread

    def send(self, message: Any, values: Sequence[Packed] = ()) -> None:
        """Sends a message.

        Args:
            message: anything that pickle can write.
            values: what goes with it.

        Raises:
            OSError: if nobody is at the other end.
        """
        segments = list({segment: None for value in values for segment in value.segments()})
        numbers: dict[Segment | None, int] = {segment: number for number, segment in enumerate(segments)}
        written = [
            (
                value.layout,
                value.data,
                numbers.get(value.segment),
                [(part, numbers[one.segment], one.offset, one.changes) for part, one in value.slices.items()],
            )
            for value in values
        ]
        names = [(segment.size, segment.name) for segment in segments]
        body = pickle.dumps((message, names, written), protocol=5)
        descriptors = [segment.descriptor for segment in segments]
        header = _HEADER.pack(len(body), len(descriptors))
        with self._sending:
            self._socket.settimeout(None)
            self._socket.sendall(header if descriptors else header + body)
            for start in range(0, len(descriptors), _GROUP):
                socket.send_fds(self._socket, [b"."], descriptors[start : start + _GROUP])
            if descriptors:
                self._socket.sendall(body)

    def receive(self, deadline: float | None = None) -> tuple[Any, list[Packed]]:
        """Waits for a message.

        Args:
            deadline: until when, by `time.monotonic`; None to wait for ever.

        Returns:
            the message, and what came with it.

        Raises:
            EOFError: if the other end is gone.
            TimeoutError: if none has begun to come by then.
        """
        try:
            self._socket.settimeout(None if deadline is None else max(deadline - time.monotonic(), 1e-3))
            first = self._socket.recv(_HEADER.size)
            self._socket.settimeout(None)
            length, count = _HEADER.unpack(first + self._exactly(_HEADER.size - len(first)) if first else b"")
            descriptors: list[int] = []
            while len(descriptors) < count:
                byte, found, _, _ = socket.recv_fds(self._socket, 1, _GROUP, _FLAGS)
                if not byte:
                    raise EOFError
                descriptors.extend(found)
            message, names, values = pickle.loads(self._exactly(length))  # noqa: S301  # from the process at the other end, which is ours
        except (ConnectionError, struct.error) as error:
            raise EOFError from error
        segments = [received(found, size, name) for found, (size, name) in zip(descriptors, names, strict=True)]
        return message, [
            Packed(
                layout,
                data,
                None if own is None else segments[own],
                {part: Slice(segments[number], offset, changes) for part, number, offset, changes in slices},
            )
            for layout, data, own, slices in values
        ]

    def close(self) -> None:
        """Closes this end."""
        self._socket.close()

    def _exactly(self, length: int) -> bytearray:
        found = bytearray(length)
        view = memoryview(found)
        while view:
            count = self._socket.recv_into(view)
            if not count:
                raise EOFError
            view = view[count:]
        return found


def pair() -> tuple[Channel, socket.socket]:
    """Two connected ends: one for here, and the socket of the other."""
    here, there = socket.socketpair(socket.AF_UNIX)
    return Channel(here), there


def inherited(descriptor: int) -> Channel:
    """The end that was handed to this process.

    Args:
        descriptor: its number.
    """
    os.set_inheritable(descriptor, False)
    return Channel(socket.socket(fileno=descriptor))
