"""`focuspuller --help`: commands, options, examples."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import focuspuller as fp
import pytest
from focuspuller.headless import lens_options, render_command

pytestmark = pytest.mark.usefixtures("folder")


class TestHelp:
    def test_it_lists_the_commands(self, cli):
        done = cli("--help")
        assert (done.code, done.stderr) == (0, "")
        assert re.search(r"^ +render +\w", done.stdout, re.MULTILINE)
        assert re.search(r"^ +fit +\w", done.stdout, re.MULTILINE)
        assert re.search(r"^ +run +\w", done.stdout, re.MULTILINE)
        assert re.search(r"^ +aperture +\w", done.stdout, re.MULTILINE)

    @pytest.mark.parametrize(
        ("command", "options"),
        [
            (
                "render",
                [
                    *["--depth", "--near", "--far", "--align-depth", "--refine-depth"],
                    *["--focus", "--focus-mask", "--find-focus", "--focus-weights"],
                    *["--repair-depth", "--depth-holes"],
                    *["--focus-distance", "--focus-disparity", "--focus-range", "--f-number"],
                    *["--bokeh-level", "--focal-length", "--sensor-width", "--lens"],
                    *["--lens-option", "--blades", "--linear", "--quality", "--device", "--out"],
                    *["--highlights", "--highlight-threshold", "--halo-color", "--exr-bits"],
                ],
            ),
            (
                "fit",
                [
                    *["--depth", "--focus", "--focus-mask", "--focal-length", "--sensor-width"],
                    *["--focus-scale", "--f-number", "--lens", "--json", "--preview", "--device"],
                ],
            ),
            ("run", ["--set", "--out", "--input", "--server", "--device"]),
            (
                "aperture",
                [
                    *["--out", "--radius", "--size", "--blades", "--rotation", "--roundness"],
                    *["--aperture-image", "--squeeze", "--obstruction", "--cats-eye", "--swirl"],
                    *["--spherical-aberration", "--axial-chromatism"],
                ],
            ),
        ],
    )
    def test_a_command_explains_its_options_and_shows_examples(self, cli, command, options):
        done = cli(command, "--help")
        assert (done.code, done.stderr) == (0, "")
        assert f"examples:\n  focuspuller {command} " in done.stdout
        assert [option for option in options if f"{option} " not in done.stdout] == []

    def test_every_lens_is_explained(self, cli):
        text = " ".join(cli("render", "--help").stdout.split())
        assert all(
            f"{name}: {kind.summary}" in text for name, kind in lens_options.ALL_LENSES.items()
        )

    def test_the_examples_are_understood(self):
        """Each example of the help, up to the point where its files are missing."""
        from focuspuller.headless import aperture_command, cli, fit_command, run_command

        commands = (render_command, fit_command, run_command, aperture_command)
        text = "".join(command.EXAMPLES for command in commands).replace("\\\n", " ")
        examples = re.findall(r"^  focuspuller (.+)$", text, re.MULTILINE)
        assert len(examples) >= 9
        for example in examples:
            words = shlex.split(example)
            options = cli._parser(words).parse_args(words)
            assert callable(options.execute)

    def test_the_module_runs_as_a_program(self, tmp_path: Path):
        package_parent = str(Path(fp.__file__).parent.parent)
        done = subprocess.run(
            [sys.executable, "-m", "focuspuller.headless.cli", "--version"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": package_parent},
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert re.fullmatch(r"focuspuller (\d+\.\d+\.\d+.*|\(not installed\))\n", done.stdout)
