"""How does a ZIP file come out the same each time it is written? (The op store keeps equal bytes once.)"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

__all__ = ["steady_zip"]


def steady_zip(data: bytes, edit: Callable[[str, bytes], tuple[str, bytes]], first: str) -> bytes:
    """Writes a ZIP file anew, without dates and with edited members.

    Args:
        data: the file.
        edit: is given name and content of a member, and returns what to write instead.
        first: the member to edit before the others; the rest follows in its order.

    Returns:
        the new file; members keep their compression.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        # sorted is stable: everything but the first member stays where it was.
        for member in sorted(old.infolist(), key=lambda info: info.filename != first):
            name, content = edit(member.filename, old.read(member))
            undated = zipfile.ZipInfo(name)
            undated.compress_type = member.compress_type
            new.writestr(undated, content)
    return buffer.getvalue()
