"""Write the English texts of all nodes, from their schemas, to where ComfyUI looks for them.

    python docs/make_english.py

They are the ones that translations start from. A test tells when they are out of date.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from focuspuller.nodes import NODE_CLASSES

ENGLISH = Path(__file__).parents[1] / "locales" / "en" / "nodeDefs.json"


def node_texts() -> dict[str, Any]:
    """What ComfyUI translates of each node: names, descriptions and tooltips, by id."""
    schemas = [node.GET_SCHEMA() for node in NODE_CLASSES]
    return {
        schema.node_id: {
            "display_name": schema.display_name,
            "description": schema.description,
            "inputs": {port.id: _texts(port.id, port.tooltip) for port in schema.inputs},
            "outputs": {
                str(index): _texts(port.display_name, port.tooltip)
                for index, port in enumerate(schema.outputs)
            },
        }
        for schema in schemas
    }


def _texts(name: str, tooltip: str | None) -> dict[str, str]:
    return {"name": name} | ({"tooltip": tooltip} if tooltip else {})


def main() -> None:
    """Write the file."""
    ENGLISH.parent.mkdir(exist_ok=True)
    ENGLISH.write_text(json.dumps(node_texts(), indent=2, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
