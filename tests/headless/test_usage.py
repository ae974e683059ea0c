"""What the command line says to those who mistype it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from focuspuller.headless import cli


def stderr_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit, match="2"):
        cli.main(list(words))
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "usage", "mistake"),
    [
        (["render", "a.jpg"], "focuspuller render -o OUT PHOTO", "-o/--out"),
        (["fit", "a.jpg"], "focuspuller fit SHARP PHOTO", "PHOTO"),
        (["models"], "focuspuller models ACTION ...", "ACTION"),
        (["paint"], "focuspuller COMMAND ...", "'paint'"),
        (["run", "a.json", "--nothing"], "focuspuller COMMAND ...", "--nothing"),
        (["depth", "a.jpg", "b.jpg", "-o", "c"], "focuspuller COMMAND ...", "pattern in quotes"),
    ],
)
def test_a_mistake_is_not_lost_in_a_page_of_options(capsys, words, usage, mistake):
    lines = stderr_of(capsys, *words).splitlines()
    assert lines[0] == f"usage: {usage}"
    assert mistake in lines[1]
    assert "--help' explains it." in lines[1]
    assert len(lines) == 2


def test_a_mistake_ends_with_one_full_stop(capsys):
    words = ["render", "a.png", "-o", "b.png", "--timeline", "0: far away"]
    assert "nearest). 'focuspuller render --help'" in stderr_of(capsys, *words)


def test_help_still_shows_every_command(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--help"])
    text = capsys.readouterr().out
    assert all(f"\n    {name} " in text or f"\n    {name}\n" in text for name in cli.COMMANDS)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_a_command_goes_by_its_name(capsys, name):
    with pytest.raises(SystemExit, match="0"):
        cli.main([name, "--help"])
    assert capsys.readouterr().out.startswith(f"usage: focuspuller {name} ")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_the_list_of_commands_waits_for_none_of_them(option):
    code = (
        "import contextlib, sys; from focuspuller.headless import cli\n"
        f"with contextlib.suppress(SystemExit): cli.main(['{option}'])\n"
        "print('torch' in sys.modules or 'numpy' in sys.modules, file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stderr == "False\n"


def test_a_command_does_not_wait_for_the_others():
    code = (
        "import contextlib, sys; from focuspuller.headless import cli\n"
        "with contextlib.suppress(SystemExit): cli.main(['curate'])\n"
        "print('torch' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"


def test_an_interrupt_while_it_starts_is_quiet(capsys, monkeypatch):
    def interrupted(*names: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "import_module", interrupted)
    assert cli.main(["render"]) == cli.INTERRUPTED
    assert capsys.readouterr().err == "focuspuller: interrupted\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
def test_a_reader_that_has_seen_enough_ends_the_program_quietly():
    code = "import sys; from focuspuller.headless import cli; sys.exit(cli.main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "models", "list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as listing:
        assert listing.stdout and listing.stderr
        listing.stdout.close()
        assert listing.stderr.read() == b""
        assert listing.wait() == cli.UNHEARD


def test_being_terminated_removes_what_is_unfinished(tmp_path: Path):
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from focuspuller.headless import cli; from focuspuller.photo.files import replacing\n"
        "def terminated(*names):\n"
        "    with replacing(Path('film.mp4')) as part:\n"
        "        part.touch(); os.kill(os.getpid(), signal.SIGTERM)\n"
        "cli.import_module = terminated; sys.exit(cli.main(['render']))"
    )
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (cli.INTERRUPTED, "focuspuller: interrupted\n")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["--f-number", "2"], "Give --focal-length, --sensor-width, or in place of"),
        (["--focal-length", "50", "--sensor-width", "36"], "Give --f-number, or in place of"),
    ],
)
def test_only_what_the_camera_lacks_is_asked_for(capsys, tmp_path: Path, words, advice):
    from PIL import Image

    Image.new("L", (8, 6), 90).save(tmp_path / "grey.png")
    photo = str(tmp_path / "grey.png")
    render = ["render", photo, "--depth", photo, "--focus", "0.5,0.5"]
    assert cli.main([*render, *words, "-o", str(tmp_path / "out.png")]) == cli.FAILED
    assert advice in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--focus", "--focus-to"])
@pytest.mark.parametrize("point", ["-0.5,0.5", "-.5,0.5", "0.5,-0.5"])
def test_a_point_beside_the_picture_is_no_option(capsys, tmp_path: Path, option, point):
    from PIL import Image

    Image.new("L", (8, 6), 90).save(tmp_path / "grey.png")
    photo, out = str(tmp_path / "grey.png"), str(tmp_path / "out%d.png")
    words = ["render", photo, "--depth", photo, "--bokeh-level", "2", "--frames", "2", "-o", out]
    start = [] if option == "--focus" else ["--focus", "0.5,0.5"]
    assert cli.main([*words, *start, option, point]) == cli.FAILED
    assert "as fractions of the image" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["render", "a.png", "--focus", "0.5,0.5", "-o", "out.xyz"],
        ["aperture", "-o", "out.xyz"],
        ["mask", "a.png", "-o", "out.xyz"],
    ],
)
def test_a_name_that_cannot_be_saved_is_called_as_it_was_given(capsys, words):
    assert cli.main(words) == cli.FAILED
    assert capsys.readouterr().err.startswith("focuspuller: --out: received 'out.xyz'.")
