"""The client of a ComfyUI server, against a small one on the loopback that plays its part."""

from __future__ import annotations

import asyncio
import importlib.util
import io as bytes_io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from focuspuller.errors import FileError, MissingDependencyError, WorkflowError
from focuspuller.headless.progress import Progress
from focuspuller.headless.server import ServerError, downloads, submit_workflow, watch
from focuspuller.headless.workflow_file import InvalidWorkflowError
from PIL import Image

PROMPT_ID = "prompt-1"


def png_bytes(color: tuple[int, int, int] = (9, 8, 7)) -> bytes:
    buffer = bytes_io.BytesIO()
    Image.new("RGB", (2, 2), color).save(buffer, "PNG")
    return buffer.getvalue()


def info(inputs: dict[str, Any], outputs: list[str], is_output: bool = False) -> dict[str, Any]:
    return {"input": {"required": inputs}, "output": outputs, "output_node": is_output}


OBJECT_INFO = {
    "LoadImage": info({"image": [["on_server.png"], {"image_upload": True}]}, ["IMAGE", "MASK"]),
    "TestMakeLens": info(
        {
            "f_number": ["FLOAT", {"min": 0.5}],
            "blades": ["INT"],
            "kind": ["COMBO", {"options": ["taf", "bokehme"]}],
        },
        ["TEST_LENS"],
    ),
    "TestRender": info({"image": ["IMAGE"], "lens": ["TEST_LENS"]}, ["IMAGE", "STRING"]),
    "SaveImage": info({"images": ["IMAGE"], "filename_prefix": ["STRING"]}, [], True),
}
RUN = [
    ("execution_start", {}),
    ("execution_cached", {"nodes": ["1"]}),
    ("executing", {"node": "3", "display_node": "3"}),
    ("progress", {"value": 1, "max": 2, "node": "3"}),
    ("progress_state", {"nodes": {"3": {"state": "running", "value": 1, "max": 2}}}),
    ("progress_state", {"nodes": {"3": {"state": "running", "value": 2, "max": 2}}}),
    ("progress_state", {"nodes": {"2": {"state": "finished", "value": 1, "max": 1}}}),
    ("executing", {"node": "4", "display_node": "4"}),
    ("executed", {"node": "4", "output": {}}),
    ("executing", {"node": None}),
]


class FakeComfyUI:
    """As much of a ComfyUI as the client speaks with; tests change its attributes."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] = {"prompt_id": PROMPT_ID, "node_errors": {}}
        self.answer_status = 200
        self.messages: list[tuple[str, dict[str, Any]]] = list(RUN)
        self.hang_up_after: int | None = None
        self.hang_ups = 1
        self.outputs: dict[str, Any] = {
            "4": {"images": [{"filename": "a.png", "subfolder": "", "type": "output"}]}
        }
        self.status: dict[str, Any] | None = {"status_str": "success", "messages": []}
        self.ends = True
        self.running = True
        self.posted: list[dict[str, Any]] = []
        self.stopped: list[tuple[str, Any]] = []
        self.uploads: list[tuple[str, bytes, dict[str, str]]] = []
        self.connections: list[str] = []
        self.view_status = 200

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.get("/system_stats", self.system_stats),
                web.get("/object_info/{name}", self.object_info),
                web.post("/upload/image", self.upload),
                web.post("/prompt", self.prompt),
                web.get("/ws", self.socket),
                web.get("/queue", self.queue),
                web.post("/queue", self.stop),
                web.post("/interrupt", self.stop),
                web.get("/history/{prompt_id}", self.history),
                web.get("/view", self.view),
            ]
        )
        return app

    async def system_stats(self, _: web.Request) -> web.Response:
        return web.json_response({"system": {"comfyui_version": "0.8.0"}})

    async def object_info(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return web.json_response({name: OBJECT_INFO[name]} if name in OBJECT_INFO else {})

    async def upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        image = form["image"]
        assert isinstance(image, web.FileField)
        fields = {key: str(value) for key, value in form.items() if key != "image"}
        self.uploads.append((image.filename, image.file.read(), fields))
        return web.json_response({"name": f"stored {image.filename}", "subfolder": "s"})

    async def prompt(self, request: web.Request) -> web.Response:
        self.posted.append(await request.json())
        return web.json_response(self.answer, status=self.answer_status)

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.connections.append(request.query["clientId"])
        await socket.send_json({"type": "status", "data": {}})
        while not self.posted:
            await asyncio.sleep(0.005)
        count = len(self.connections)
        messages = self.messages if count == 1 else self.messages[self.hang_up_after or 0 :]
        for index, (kind, data) in enumerate(messages):
            if count <= self.hang_ups and index == (self.hang_up_after if count == 1 else 0):
                await socket.close()
                return socket
            await socket.send_bytes(b"\0\0\0\1a preview")
            await socket.send_json({"type": kind, "data": {"prompt_id": PROMPT_ID, **data}})
        async for _ in socket:
            pass
        return socket

    async def queue(self, _: web.Request) -> web.Response:
        running = [[0, PROMPT_ID], [1, "somebody else's"]] if self.running else []
        return web.json_response({"queue_running": running, "queue_pending": []})

    async def stop(self, request: web.Request) -> web.Response:
        self.stopped.append((request.path, await request.json()))
        return web.Response()

    async def history(self, _: web.Request) -> web.Response:
        entry = {"outputs": self.outputs, "status": self.status}
        return web.json_response({PROMPT_ID: entry} if self.ends else {})

    async def view(self, request: web.Request) -> web.Response:
        return web.Response(body=png_bytes(), status=self.view_status)


def serve(app: web.Application) -> Iterator[str]:
    """Serve in a thread of its own; yields the address."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(app, shutdown_timeout=0.1)

    async def start() -> str:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        return f"{host}:{port}"

    address = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield address
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()


@pytest.fixture
def server() -> FakeComfyUI:
    return FakeComfyUI()


@pytest.fixture
def submit(server: FakeComfyUI, tmp_path: Path, photo: Path):
    """Submit a workflow to the server; results go to `tmp_path/out`."""
    running = serve(server.app())
    address = next(running)

    def submit_to_server(workflow, **options):
        options = {"out_dir": tmp_path / "out", "input_dirs": [photo.parent]} | options
        return submit_workflow(address, workflow, **options)

    yield submit_to_server
    next(running, None)


def test_a_workflow_is_sent_watched_and_fetched(submit, server, workflow, tmp_path: Path):
    events: list[Progress] = []
    result = submit(workflow, progress=events.append, settings={"My Lens.f_number": "4"})
    assert result.files == [tmp_path / "out" / "a.png"]
    assert result.files[0].read_bytes() == png_bytes()
    sent = server.posted[0]["prompt"]
    assert sent["2"]["inputs"]["f_number"] == 4.0
    assert sent["3"] == workflow["3"]
    assert server.posted[0]["client_id"] == server.connections[0]
    assert not server.stopped
    seen = [
        (event.title, event.nodes_done, event.steps_done, event.steps_total) for event in events
    ]
    assert seen == [
        ("Render Bokeh", 1, 0, 0),
        ("Render Bokeh", 1, 1, 2),
        ("Render Bokeh", 1, 2, 2),
        ("SaveImage", 3, 0, 0),
    ]


def test_local_pictures_are_uploaded_once_and_never_over_others(submit, server, workflow, photo):
    workflow["5"] = {"class_type": "LoadImage", "inputs": {"image": "photo.png [input]"}}
    submit(workflow)
    assert server.uploads == [("photo.png", photo.read_bytes(), {"type": "input"})]
    assert server.posted[0]["prompt"]["1"]["inputs"]["image"] == "s/stored photo.png"
    assert server.posted[0]["prompt"]["5"]["inputs"]["image"] == "s/stored photo.png"


def test_names_in_any_script_are_uploaded(submit, server, workflow, photo: Path):
    for name, stored in {
        'Fête "写真".png': 'Fête "写真".png',
        "two\r\nlines.png": "two__lines.png",
    }.items():
        photo = photo.rename(photo.with_name(name))
        workflow["1"]["inputs"]["image"] = name
        submit(workflow)
        assert server.uploads[-1][0] == stored


def test_a_picture_that_cannot_be_read_is_named(submit, workflow, photo: Path):
    photo.write_bytes(b"")
    with pytest.raises(FileError, match=r"photo\.png: received an empty file"):
        submit(workflow)


@pytest.mark.parametrize(
    "name", ["on_server.png", "photo.png [output]", "photo.png [temp]", "x" * 5000, "nul\0.png"]
)
def test_pictures_of_the_server_stay_there(submit, server, workflow, name: str):
    workflow["1"]["inputs"]["image"] = name
    submit(workflow)
    assert server.uploads == []
    assert server.posted[0]["prompt"]["1"]["inputs"]["image"] == name


def test_a_workflow_cannot_send_away_files_from_elsewhere(submit, server, workflow, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"mine")
    for name in (str(secret), "../secret.png"):
        workflow["1"]["inputs"]["image"] = name
        submit(workflow)
    assert server.uploads == []
    submit(workflow, settings={"1.image": str(secret)})  # but the user can
    assert [upload[0] for upload in server.uploads] == ["secret.png"]


def test_previews_and_texts_are_fetched_under_the_nodes_title(submit, server, workflow, tmp_path):
    server.outputs = {
        "3": {
            "images": [{"filename": "temp_x.png", "subfolder": "", "type": "temp"}] * 2,
            "text": ["f/4"],
        },
        "1": {"images": [{"filename": "photo.png", "subfolder": "", "type": "input"}]},
        "4.0.1": {"gifs": [{"filename": "b.webp", "subfolder": "sub", "type": "output"}]},
    }
    assert submit(workflow).previews == []  # "3" is not an output node
    result = submit(workflow, all_previews=True)
    names = [path.relative_to(tmp_path / "out").as_posix() for path in result.previews]
    assert names == ["preview_render-bokeh_00001_.png", "preview_render-bokeh_00002_.png"]
    assert result.files == [tmp_path / "out" / "sub" / "b (1).webp"]
    assert result.texts == ["f/4"]


def test_files_that_are_there_are_kept(submit, workflow, tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").write_text("mine")
    assert submit(workflow).files == [tmp_path / "out" / "a (1).png"]
    assert submit(workflow).files == [tmp_path / "out" / "a (2).png"]
    assert (tmp_path / "out" / "a.png").read_text() == "mine"


@pytest.mark.parametrize(
    ("subfolder", "filename", "expected"),
    [
        ("", "a.png", "a.png"),
        ("sub/folder", "a.png", "sub/folder/a.png"),
        ("../..", "../../etc/a.png", "a.png"),
        ("/etc", "/etc/passwd", "etc/passwd"),
        ("..\\x", "C:\\y\\a.png", "x/a.png"),
        ("", "..", "unnamed"),
        ("", "", "unnamed"),
        ("a/./b", "c:d\x00?.png", "a/b/c_d__.png"),
        ("", "n" * 500 + ".png", "n" * 146 + ".png"),
    ],
)
def test_names_of_the_server_stay_in_the_output_folder(tmp_path, subfolder, filename, expected):
    path = downloads.safe_path(tmp_path, subfolder, filename)
    assert path.relative_to(tmp_path).as_posix() == expected


def test_a_link_in_the_output_folder_is_not_followed_outside(tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub").symlink_to(tmp_path)
    with pytest.raises(FileError, match="outside the output folder"):
        downloads.safe_path(tmp_path / "out", "sub", "a.png")


def test_a_broken_connection_is_restored(submit, server, workflow):
    server.hang_up_after = 3
    server.ends = False
    events: list[Progress] = []

    def progress(event: Progress) -> None:
        events.append(event)
        server.ends = event.title == "SaveImage"

    assert submit(workflow, progress=progress).files
    assert len(server.connections) == 2
    assert len(set(server.connections)) == 1
    assert events[-1].title == "SaveImage"


def test_a_workflow_that_ended_while_the_connection_was_broken_is_found(submit, server, workflow):
    server.hang_up_after = 2
    assert submit(workflow).files
    assert len(server.connections) == 2


def test_a_connection_that_breaks_again_is_an_error(submit, server, workflow):
    server.hang_up_after, server.hang_ups, server.ends = 1, 9, False
    with pytest.raises(ServerError, match="broken connection"):
        submit(workflow)
    assert len(server.connections) == 2


def test_silence_makes_it_ask_for_the_result(submit, server, workflow, monkeypatch):
    server.messages = []
    monkeypatch.setattr(watch, "PATIENCE_S", 0.05)
    assert submit(workflow).files


def test_a_workflow_that_got_lost_is_an_error(submit, server, workflow, monkeypatch):
    server.messages, server.ends, server.running = [], False, False
    monkeypatch.setattr(watch, "PATIENCE_S", 0.05)
    with pytest.raises(ServerError, match="without a result"):
        submit(workflow)


def test_refused_inputs_are_named(submit, server, workflow, tmp_path: Path):
    server.answer_status = 400
    server.answer = {
        "error": {"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed"},
        "node_errors": {
            "2": {
                "errors": [
                    {
                        "message": "Value 0.1 smaller than min of 0.5",
                        "details": "f_number",
                        "extra_info": {"input_name": "f_number"},
                    },
                    {"message": "Value not in list", "details": "kind: 'x' not in ['taf']"},
                ]
            },
            "77": {"errors": [{"message": "Odd", "details": ""}]},
        },
    }
    with pytest.raises(InvalidWorkflowError) as error:
        submit(workflow)
    assert error.value.problems == (
        'node 2 "My Lens" (TestMakeLens) › f_number: Value 0.1 smaller than min of 0.5',
        "node 2 \"My Lens\" (TestMakeLens): Value not in list (kind: 'x' not in ['taf'])",
        "node 77: Odd",
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        ({"message": "Prompt has no outputs", "details": ""}, "Prompt has no outputs"),
        ("plain text", "plain text"),
    ],
)
def test_a_refusal_of_the_whole_workflow_is_told(submit, server, workflow, error, problem):
    server.answer_status = 400
    server.answer = {"error": error, "node_errors": {}}
    with pytest.raises(InvalidWorkflowError) as raised:
        submit(workflow)
    assert raised.value.problems == (problem,)


def test_a_workflow_accepted_in_part_runs_and_what_is_left_out_is_told(
    submit, server, workflow, caplog
):
    workflow["5"] = {"class_type": "SaveImage", "inputs": {"filename_prefix": "unwired"}}
    server.answer["node_errors"] = {"5": {"errors": [{"message": "Bad", "details": ""}]}}
    result = submit(workflow)
    assert result.files
    assert result.left_out == ("node 5 SaveImage: Bad",)
    assert "Not run: node 5 SaveImage: Bad" in caplog.text
    assert not server.stopped


def test_a_setting_that_the_server_refuses_takes_the_workflow_back(submit, server, workflow):
    server.answer["node_errors"] = {"2": {"errors": [{"message": "Bad", "details": ""}]}}
    with pytest.raises(InvalidWorkflowError, match="Bad"):
        submit(workflow, settings={"2.f_number": "4"})
    assert server.stopped[0] == ("/queue", {"delete": [PROMPT_ID]})


def test_nodes_that_the_server_lacks_are_listed_before_anything_is_sent(submit, server, workflow):
    workflow["5"] = {"class_type": "Missing/Node ä", "inputs": {}}
    with pytest.raises(InvalidWorkflowError, match=r"node 5 Missing/Node ä: .*no such node"):
        submit(workflow)
    assert not server.uploads
    assert not server.posted


def test_settings_are_checked_against_the_servers_nodes(submit, workflow):
    with pytest.raises(InvalidWorkflowError, match="has no input 'blade'; did you mean 'blades'"):
        submit(workflow, settings={"2.blade": "3"})


def test_an_error_on_the_server_names_the_node(submit, server, workflow, tmp_path: Path):
    failure = {
        "node_id": "3",
        "exception_type": "torch.OutOfMemoryError",
        "exception_message": "Too large\n",
        "traceback": ["line 1"],
    }
    server.status = {"status_str": "error", "messages": [["execution_error", failure]]}
    with pytest.raises(WorkflowError, match="OutOfMemoryError: Too large") as error:
        submit(workflow)
    assert error.value.node == 'node 3 "Render Bokeh" (TestRender)'
    assert not (tmp_path / "out").exists()


def test_an_interruption_on_the_server_is_told(submit, server, workflow):
    server.status = {"status_str": "error", "messages": [["execution_interrupted", {}]]}
    with pytest.raises(WorkflowError, match="interruption on the server"):
        submit(workflow)


def test_giving_up_here_stops_it_there_and_nobody_else(submit, server, workflow):
    def give_up(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        submit(workflow, progress=give_up)
    assert server.stopped == [
        ("/queue", {"delete": [PROMPT_ID]}),
        ("/interrupt", {"prompt_id": PROMPT_ID}),
    ]


def test_a_workflow_that_waits_is_only_taken_from_the_queue(submit, server, workflow):
    server.running = False

    def give_up(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        submit(workflow, progress=give_up)
    assert [path for path, _ in server.stopped] == ["/queue"]


def test_a_failed_download_leaves_nothing(submit, server, workflow, tmp_path: Path):
    server.view_status = 404
    with pytest.raises(ServerError, match="status 404"):
        submit(workflow)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("url", ["127.0.0.1:1", "http://127.0.0.1:1/"])
def test_a_server_that_is_not_there_is_named(workflow, tmp_path: Path, url: str):
    with pytest.raises(ServerError, match=r"no answer from http://127\.0\.0\.1:1 ") as error:
        submit_workflow(url, workflow, out_dir=tmp_path)
    assert "Start ComfyUI" in str(error.value)


@pytest.mark.parametrize("url", ["http://", "http://[x", ""])
def test_what_is_no_address_is_told(workflow, tmp_path: Path, url: str):
    with pytest.raises(ServerError):
        submit_workflow(url, workflow, out_dir=tmp_path)


@pytest.mark.parametrize("body", ["<html>", "[]", "{}"])
def test_another_kind_of_server_is_recognised(workflow, tmp_path: Path, body: str):
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=body, content_type="application/json")

    app = web.Application()
    app.add_routes([web.get("/system_stats", answer)])
    running = serve(app)
    with pytest.raises(ServerError, match="Check that this is the address of a ComfyUI"):
        submit_workflow(next(running), workflow, out_dir=tmp_path)
    next(running, None)


def test_without_aiohttp_the_extra_is_named(workflow, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"focuspuller\[server\]"):
        submit_workflow("127.0.0.1", workflow, out_dir=tmp_path)
