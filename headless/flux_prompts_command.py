"""`focuspuller flux-prompts`: the fixed prompts of all networks in a small file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..models.flux.networks import PROMPTS
from ..models.flux_base.prompts import save_prompts
from ..models.flux_base.published import FLUX_PROMPTS
from ..models.places import folders_for
from ..photo.files import make_folder
from .refocus_model import add_base_options, model_of

EXAMPLES = """examples:
  focuspuller flux-prompts
  focuspuller flux-prompts --t5 t5xxl_fp8_e4m3fn.safetensors --to prompts.safetensors

DeblurNet, BokehNet and DiffCamera always use the same prompts. With this file in the folder of text
encoders nothing else needs them: neither T5 (5 to 10 GB) nor CLIP nor tokenizers."""


def add_to(commands: Any) -> None:
    """Add the command to the parser's subcommands."""
    parser = commands.add_parser(
        "flux-prompts",
        description="Write the prompts of the FLUX networks as FLUX' text encoders encode them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--to",
        metavar="FILE",
        type=Path,
        help=f"default: {FLUX_PROMPTS.file} in the folder of text encoders",
    )
    add_base_options(parser)
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> None:
    """Encode, write, and print the path."""
    target = options.to or folders_for(FLUX_PROMPTS)[0] / FLUX_PROMPTS.file
    base = model_of(options).base
    make_folder(target.parent)
    save_prompts(target, {text: base.encode_prompt(text) for text in PROMPTS.values()})
    print(target)
