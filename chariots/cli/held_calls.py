"""How does a thread speak with the system without letting go of the interpreter?

Python lets other threads run during every system call. Where those compute, the caller gets the interpreter back when
each of them has had its turn, whether the call took a second or a microsecond: a loop that makes five calls for each
request answers nobody any more. What is called here never waits for anything, takes some microseconds, and keeps the
interpreter. Where the system is not Linux, these are the ordinary calls.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import selectors
import socket
import struct
import sys
from typing import Any, Final

__all__ = ["IS_HELD", "HeldEpoll", "HeldSelector", "accept_now", "receive_now", "ring", "send_now", "silence"]

IS_HELD: Final = sys.platform == "linux"

_ADDRESS: Final = 128  # bytes, as struct sockaddr_storage has them
_EVENT: Final = struct.Struct("=Iq" if os.uname().machine in ("x86_64", "i686") else "@Iq")  # struct epoll_event
_ADD, _REMOVE, _CHANGE = 1, 2, 3  # what epoll_ctl is to do, as <sys/epoll.h> has it
_MORE_THAN_ENOUGH: Final = 2**16  # bytes; to copy more takes so long that others should run meanwhile
_ONE: Final = struct.pack("=Q", 1)
_RECEIVED: Final = 2**14  # bytes, received at once

_buffers: list[Any] = []  # to receive into; each used by one thread at a time


def _declared(name: str, result: Any, *kinds: Any) -> Any:
    found = getattr(ctypes.PyDLL(None, use_errno=True), name)
    found.restype, found.argtypes = result, kinds
    return found


if IS_HELD:
    _INT, _SIZE, _SIGNED, _BYTES = ctypes.c_int, ctypes.c_size_t, ctypes.c_ssize_t, ctypes.c_char_p
    _recv = _declared("recv", _SIGNED, _INT, _BYTES, _SIZE, _INT)
    _send = _declared("send", _SIGNED, _INT, _BYTES, _SIZE, _INT)
    _read = _declared("read", _SIGNED, _INT, _BYTES, _SIZE)
    _write = _declared("write", _SIGNED, _INT, _BYTES, _SIZE)
    _accept = _declared("accept4", _INT, _INT, _BYTES, ctypes.POINTER(ctypes.c_uint), _INT)
    _control = _declared("epoll_ctl", _INT, _INT, _INT, _INT, _BYTES)


def receive_now(connection: socket.socket) -> bytes:
    """Receives what is there.

    Args:
        connection: from where; whether it waits otherwise makes no difference.

    Returns:
        some KiB at most; empty where the other side has said all that it will say.

    Raises:
        BlockingIOError: if nothing is there.
        OSError: if the connection is lost.
    """
    if not IS_HELD:
        return socket.socket.recv(connection, _RECEIVED, socket.MSG_DONTWAIT)
    try:
        buffer = _buffers.pop()
    except IndexError:
        buffer = ctypes.create_string_buffer(_RECEIVED)
    try:
        size = _recv(connection.fileno(), buffer, _RECEIVED, socket.MSG_DONTWAIT)
        return bytes(buffer[: _checked(size)])
    finally:
        _buffers.append(buffer)


def send_now(connection: socket.socket, data: bytes) -> int:
    """Sends what is taken at once.

    Args:
        connection: whereto; whether it waits otherwise makes no difference.
        data: what to send.

    Returns:
        how many bytes were taken.

    Raises:
        BlockingIOError: if none were.
        OSError: if the connection is lost.
    """
    if not IS_HELD or len(data) > _MORE_THAN_ENOUGH:
        return socket.socket.send(connection, data, socket.MSG_DONTWAIT)
    return _checked(_send(connection.fileno(), data, len(data), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL))


def accept_now(listener: socket.socket) -> tuple[int, Any]:
    """Accepts a connection that is there.

    Args:
        listener: a socket that listens, and does not wait.

    Returns:
        the descriptor of the connection, and the address of its client.

    Raises:
        BlockingIOError: if there is none.
        OSError: if it was lost meanwhile, or there is no room for it.
    """
    if not IS_HELD or listener.family not in (socket.AF_INET, socket.AF_INET6):
        taken, client = listener.accept()
        return taken.detach(), client
    address, size = ctypes.create_string_buffer(_ADDRESS), ctypes.c_uint(_ADDRESS)
    descriptor = _checked(_accept(listener.fileno(), address, ctypes.byref(size), socket.SOCK_CLOEXEC))
    raw: bytes = address.raw
    port: int = struct.unpack_from("!H", raw, 2)[0]
    if listener.family == socket.AF_INET:
        return descriptor, (socket.inet_ntop(socket.AF_INET, raw[4:8]), port)
    flow: int = struct.unpack_from("!I", raw, 4)[0]
    scope: int = struct.unpack_from("=I", raw, 24)[0]
    return descriptor, (socket.inet_ntop(socket.AF_INET6, raw[8:24]), port, flow, scope)


def ring(bell: int) -> None:
    """Wakes whoever waits for an ``eventfd``, which only Linux has.

    Args:
        bell: its descriptor.
    """
    _checked(_write(bell, _ONE, len(_ONE)))


def silence(bell: int) -> None:
    """Takes back what `ring` did.

    Args:
        bell: the descriptor of an ``eventfd`` that does not wait.
    """
    with contextlib.suppress(BlockingIOError):  # another was quicker
        _checked(_read(bell, ctypes.create_string_buffer(len(_ONE)), len(_ONE)))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))  # Python makes the right kind of it
    return result


class HeldEpoll:
    """A ``select.epoll`` that keeps the interpreter, but where it waits."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self.poll, self.close, self.fileno = self._epoll.poll, self._epoll.close, self._epoll.fileno

    def register(self, descriptor: int, events: int) -> None:
        """As `select.epoll.register`."""
        self._call(_ADD, descriptor, events)

    def unregister(self, descriptor: int) -> None:
        """As `select.epoll.unregister`."""
        self._call(_REMOVE, descriptor, 0)

    def modify(self, descriptor: int, events: int) -> None:
        """As `select.epoll.modify`."""
        self._call(_CHANGE, descriptor, events)

    def _call(self, action: int, descriptor: int, events: int) -> None:
        _checked(_control(self._epoll.fileno(), action, descriptor, _EVENT.pack(events, descriptor)))


class HeldSelector(selectors.EpollSelector if IS_HELD else selectors.DefaultSelector):  # type: ignore[misc]  # known at run time
    """A selector that keeps the interpreter, but where it waits."""

    if IS_HELD:
        _selector_cls = HeldEpoll
