"""Serve ComfyUI's frontend with Focus Puller's nodes, without ComfyUI.

    python tests/e2e/host [--port 8188] [--folder DIR]

Prints the address once it answers. For tests, and for working on web/js: reload the page to see a
change.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from aiohttp import web
from app import TestHost


async def serve(folder: Path, port: int) -> None:
    runner = web.AppRunner(TestHost(folder).application(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    host, bound = runner.addresses[0][:2]
    print(f"http://{host}:{bound}", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--folder", type=Path, help="for input, output and user files")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="focuspuller_host_") as temporary:
        asyncio.run(serve(options.folder or Path(temporary), options.port))


if __name__ == "__main__":
    main()
