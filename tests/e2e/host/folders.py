"""Files: pictures of the input, output and temp folder, what users store, and static files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aiohttp import web
from focuspuller.nodes.standin import Host

STORED = ["settings", "i18n", "userdata"]


def inside(folder: Path, *parts: str) -> Path:
    """A path in a folder.

    Raises:
        HTTPForbidden: it leads out of it.
    """
    path = folder.joinpath(*parts).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise web.HTTPForbidden
    return path


def existing(folder: Path, *parts: str) -> Path:
    """A file in a folder.

    Raises:
        HTTPForbidden: it leads out of it.
        HTTPNotFound: there is none.
    """
    path = inside(folder, *parts)
    if not path.is_file():
        raise web.HTTPNotFound
    return path


class Pictures:
    """`/view` and `/upload/image`. The embedded runner keeps previews among the output."""

    def __init__(self, host: Host) -> None:
        self.host = host

    async def view(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        folder = self._folder(query.get("type", "output"))
        return web.FileResponse(existing(folder, query.get("subfolder", ""), query["filename"]))

    async def upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        file = form["image"]
        assert isinstance(file, web.FileField)
        subfolder = str(form.get("subfolder", ""))
        path = inside(self._folder("input"), subfolder, file.filename)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.file.read())
        return web.json_response({"name": path.name, "subfolder": subfolder, "type": "input"})

    def _folder(self, kind: str) -> Path:
        return self.host.input_dirs[0] if kind == "input" else self.host.output_dir


class Settings:
    """`/settings`, kept as long as the host runs."""

    def __init__(self) -> None:
        # Without these the frontend covers a first visitor's canvas with what is new.
        self.values: dict[str, Any] = {
            "Comfy.TutorialCompleted": True,
            "Comfy.Release.Status": "what's new seen",
            "Comfy.Notification.ShowVersionUpdates": False,
            "Comfy.Workflow.Persist": False,
        }

    async def read_all(self, request: web.Request) -> web.Response:
        return web.json_response(self.values)

    async def read(self, request: web.Request) -> web.Response:
        return web.json_response(self.values.get(request.match_info["id"]))

    async def write(self, request: web.Request) -> web.Response:
        self.values[request.match_info["id"]] = await request.json()
        return web.Response()

    async def write_all(self, request: web.Request) -> web.Response:
        self.values |= await request.json()
        return web.Response()


class UserData:
    """`/userdata`: workflows and the like, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def listing(self, request: web.Request) -> web.Response:
        query = request.query
        below = inside(self.folder, query.get("dir", ""))
        recursive = query.get("recurse") == "true"
        found = below.rglob("*") if recursive else below.glob("*")
        files = sorted(path for path in found if path.is_file())
        if query.get("full_info") != "true":
            return web.json_response([path.relative_to(below).as_posix() for path in files])
        return web.json_response([self._info(path, below) for path in files])

    async def read(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(existing(self.folder, request.match_info["file"]))

    async def write(self, request: web.Request) -> web.Response:
        path = inside(self.folder, request.match_info["file"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(await request.read())
        return web.json_response(self._info(path, self.folder))

    async def delete(self, request: web.Request) -> web.Response:
        existing(self.folder, request.match_info["file"]).unlink()
        return web.Response(status=204)

    @staticmethod
    def _info(path: Path, folder: Path) -> dict[str, Any]:
        stat = path.stat()
        return {
            "path": path.relative_to(folder).as_posix(),
            "size": stat.st_size,
            "modified": int(stat.st_mtime * 1000),
            "created": int(stat.st_mtime * 1000),
        }


def extension_scripts(web_folder: Path, served_at: str) -> list[str]:
    """Addresses of the scripts of a pack: ComfyUI's browser imports them all."""
    scripts = sorted(web_folder.rglob("*.js"))
    return [f"{served_at}/{script.relative_to(web_folder).as_posix()}" for script in scripts]


def locales(pack: Path) -> dict[str, Any]:
    """`/i18n`: the pack's translations by language and file."""
    result: dict[str, Any] = {}
    for file in sorted((pack / "locales").glob("*/*.json")):
        content = json.loads(file.read_text("utf-8"))
        language = result.setdefault(file.parent.name, {})
        language |= content if file.stem == "main" else {file.stem: content}
    return result
