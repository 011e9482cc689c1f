"""Serves the op store of a folder from this process: prints the URL, then serves until it is killed."""

from __future__ import annotations

import sys
from pathlib import Path

from werkzeug.serving import make_server

from tests.op_store.support import file_store
from tests.wsgi_server import KeepAlive

if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, file_store(Path(sys.argv[1])).flask, threaded=True, request_handler=KeepAlive)
    print(f"http://127.0.0.1:{server.port}", flush=True)
    server.serve_forever()
