"""Exports the trained leaves of a run, or an adapter, to PEFT or as a whole Hugging Face model.

python scripts/export.py --results results/mine --run ID --out DIR
python scripts/export.py --results results/mine --run ID --out DIR --merge --dtype bfloat16
python scripts/export.py --backbone B --adapter FOLDER --out DIR --merge
python scripts/export.py --backbone B --adapter PROMPT.npy --out DIR

A run is one of a sweep with --keep_trained; the ids of runs stand under the table. An adapter is
a folder as PEFT writes it, or a soft prompt [P, D] in a .npy file. --merge writes the whole model
with its tokenizer; it is needed where leaves of the backbone trained, as in full fine-tuning.
"""

from research.common.interrupts import end_on_interrupt

if __name__ == "__main__":
    end_on_interrupt()  # while the rest is imported

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from research.common.errors import InputError, exit_on_input_error
from research.common.paths import resolve_path
from research.runtime.process import prepare

if TYPE_CHECKING:  # --help needs no JAX
    from research.methods.method import Leaves, Method
    from research.models.backbone import Backbone
    from research.models.model import Model

    Source = tuple[Backbone, tuple[Method, ...], Leaves]

DTYPES = ("float32", "float16", "bfloat16")  # of `research.models.backbone`


@exit_on_input_error
def main(argv: Sequence[str] | None = None) -> int:
    """Exports a run or an adapter; returns the exit code."""
    prepare()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--results", help="results folder of a sweep")
    parser.add_argument("--run", help="id of one of its runs")
    parser.add_argument("--backbone", help="folder or hub id of an adapter's model")
    parser.add_argument("--adapter", help="folder of PEFT, or a .npy file")
    parser.add_argument("--out", required=True, help="folder to write; must be new or empty")
    parser.add_argument("--merge", action="store_true", help="write the whole model")
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="of a whole model")
    options = parser.parse_args(argv)
    from research.interop.peft import save_adapter
    from research.models.backbone import load_tokenizer, save_backbone
    from research.models.checkpoint.generation_config import load_generation

    backbone, methods, leaves = _source(options)
    if not options.merge and any(":" not in path for path in leaves):
        raise InputError("--merge", False, "it is needed: leaves of the backbone itself trained")
    if options.merge:
        model, params = merge(backbone, methods, leaves)
        tokenizer = load_tokenizer(backbone.name, backbone.model)
        generation = load_generation(backbone.name)
        save_backbone(options.out, model, params, tokenizer, options.dtype, generation=generation)
    else:
        save_adapter(options.out, backbone.name, backbone.model, methods, leaves)
    return 0


def _source(options: argparse.Namespace) -> "Source":
    pairs = {(options.results, options.run): run, (options.backbone, options.adapter): adapter}
    complete = [(pair, read) for pair, read in pairs.items() if all(pair)]
    if len(complete) != 1 or any(any(pair) != all(pair) for pair in pairs):
        allowed = "either --results and --run, or --backbone and --adapter, are expected"
        raise InputError("command line", [value for pair in pairs for value in pair], allowed)
    [(pair, read)] = complete
    return read(*pair)


def adapter(name: str, file: str) -> "Source":
    """The backbone of this name, and the methods and leaves of an adapter for it."""
    from research.models.backbone import load_backbone
    from research.serving.adapter_sources import from_adapter

    backbone = load_backbone(resolve_path(name, "--backbone"))
    return backbone, *from_adapter(file, backbone)


def run(folder: str, id: str) -> "Source":
    """The backbone of a run, its methods, and the leaves that it trained."""
    from research.models.backbone import load_backbone
    from research.serving.adapter_sources import from_run, record_of

    _, reference = record_of(folder, id)
    backbone = load_backbone(resolve_path(reference.name, "backbone"))
    return backbone, *from_run(folder, id, backbone)


def merge(
    backbone: "Backbone", methods: "tuple[Method, ...]", leaves: "Leaves"
) -> "tuple[Model, Leaves]":
    """(model, its leaves with the adapter merged). Raises InputError for methods that cannot merge.

    An encoder with a classification head loses its masked-LM head. A backbone that ties its output
    layer has its own where the adapter has one.
    """
    from research.methods.shared.merging import merged
    from research.models.bert.model import EncoderModel
    from research.models.model import HEAD

    model, params = backbone.model, merged(methods, {**backbone.params, **leaves})
    if "head:/bias" in params:
        if not isinstance(model, EncoderModel):
            allowed = "transformers has no class for T5's encoder with a classification head"
            raise InputError("method", "head", allowed)
        model = model.with_classes(len(params["head:/bias"]))
        params = {path: leaf for path, leaf in params.items() if not path.startswith("head/")}
    if HEAD in leaves and HEAD not in backbone.params:
        model, params = model.untied(params)
    return model, params


if __name__ == "__main__":
    sys.exit(main())
