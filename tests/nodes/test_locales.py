"""Translations: English says what the schemas say, other languages translate what there is."""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import focuspuller
import pytest

LOCALES = Path(focuspuller.__file__).parent / "locales"
OTHERS = [folder.name for folder in LOCALES.iterdir() if folder.is_dir() and folder.name != "en"]


def read(language: str) -> dict[str, Any]:
    return json.loads((LOCALES / language / "nodeDefs.json").read_text("utf-8"))


def paths(texts: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Each text with the path to it."""
    for key, value in texts.items():
        path = f"{above}/{key}"
        yield from paths(value, path) if isinstance(value, dict) else [(path, value)]


def test_english_is_what_the_schemas_say():
    written = runpy.run_path(str(LOCALES.parent / "docs" / "make_english.py"))["node_texts"]()
    assert read("en") == written, "Run python docs/make_english.py."


@pytest.mark.parametrize("language", OTHERS)
def test_what_is_translated_exists(language):
    english = dict(paths(read("en")))
    for path, text in paths(read(language)):
        assert path in english
        assert text.strip()


@pytest.mark.parametrize("language", OTHERS)
def test_nodes_have_names_of_their_own(language):
    names = [node["display_name"] for node in read(language).values()]
    assert len(set(names)) == len(names)
    assert not set(names) & {node["display_name"] for node in read("en").values()}
