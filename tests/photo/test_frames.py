"""Numbered image files."""

from __future__ import annotations

from pathlib import Path

import pytest
from focuspuller.errors import FileError, InputError
from focuspuller.photo.frames import check_distinct, find_frames, frame_path, is_pattern

KINDS = (".png", ".jpg")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("f_9.png", "f_10.png", "f_100.png", "g_1.png", ".f_1.png", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "f_11.png").mkdir()
    return tmp_path


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


@pytest.mark.parametrize("pattern", ["f_%d.png", "f_*.png", "f_[0-9]*.png"])
def test_frames_come_in_the_order_of_their_numbers(folder, pattern):
    assert is_pattern(folder / pattern)
    assert names(find_frames(folder / pattern, KINDS)) == ["f_9.png", "f_10.png", "f_100.png"]


def test_a_folder_means_all_pictures_in_it(folder):
    found = names(find_frames(folder, KINDS))
    assert found == ["f_9.png", "f_10.png", "f_100.png", "g_1.png"]


def test_the_width_of_a_number_is_its_least(folder):
    assert names(find_frames(folder / "f_%02d.png", KINDS)) == ["f_10.png", "f_100.png"]


def test_a_file_with_brackets_in_its_name_is_a_file(tmp_path):
    (tmp_path / "photo [1].jpg").touch()
    assert not is_pattern(tmp_path / "photo [1].jpg")
    (tmp_path / "100%d.jpg").touch()
    assert not is_pattern(tmp_path / "100%d.jpg")


@pytest.mark.parametrize("pattern", ["h_%d.png", "h_*.png", "missing/f_%d.png"])
def test_no_frames_is_an_error_that_names_the_place(folder, pattern):
    with pytest.raises(FileError, match=pattern.split("_")[0]):
        find_frames(folder / pattern, KINDS)


@pytest.mark.parametrize(
    ("pattern", "source", "expected"),
    [
        ("out/%04d.png", "shot2_0107.jpg", "out/0107.png"),
        ("out/%04d.png", None, "out/0004.png"),
        ("out/%04d.png", "still.jpg", "out/0004.png"),
        ("out", "shot_7.jpg", "out/shot_7.jpg"),
        ("out", "shot_7.heic", "out/shot_7.png"),
        ("out", None, "out/frame_00004.png"),
    ],
)
def test_results_keep_the_numbers_of_their_frames(pattern, source, expected):
    result = frame_path(Path(pattern), Path(source) if source else None, 3, KINDS)
    assert result == Path(expected)


def test_two_results_of_one_name_are_refused():
    with pytest.raises(InputError, match=r"a\.png for more than one frame"):
        check_distinct([Path("a.png"), Path("b.png"), Path("a.png")])
