"""How does one suite try both a client that waits in threads and one that waits in an event loop? (a facade)"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any


class Loop:
    """An event loop in a thread of its own, for callers that wait."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Waits for a coroutine; it sees the context variables of the caller."""
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Ends what is left and the thread."""
        self.run(self._end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _end(self) -> None:
        await self.loop.shutdown_asyncgens()
        await asyncio.sleep(0)  # connections that were closed hear of it


class Blocking:
    """Anything with coroutines, as if it had functions.

    Args:
        loop: where they run.
        target: what has them.
    """

    def __init__(self, loop: Loop, target: Any) -> None:
        self._loop, self._target = loop, target

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        return self._called(found) if inspect.isroutine(found) else self._given(found)

    def __enter__(self) -> Blocking:
        return Blocking(self._loop, self._loop.run(self._target.__aenter__()))

    def __exit__(self, *how: object) -> None:
        self._loop.run(self._target.__aexit__(*how))

    def __iter__(self) -> Iterator[Any]:
        return Blocking(self._loop, aiter(self._target))

    def __next__(self) -> Any:
        try:
            return self._loop.run(self._target.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None

    def close(self) -> None:
        """Closes the target, whatever that is called there."""
        self._loop.run((getattr(self._target, "aclose", None) and self._target.aclose()) or self._target.close())

    def _called(self, function: Any) -> Any:
        return lambda *arguments, **options: self._given(function(*arguments, **options))

    def _given(self, value: Any) -> Any:
        if inspect.iscoroutine(value):
            return self._given(self._loop.run(value))
        if isinstance(value, AsyncIterator | AbstractAsyncContextManager):
            return Blocking(self._loop, value)
        return value


@contextmanager
def event_loop() -> Iterator[Loop]:
    """Runs an event loop for a while."""
    loop = Loop()
    try:
        yield loop
    finally:
        loop.close()
