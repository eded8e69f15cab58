"""Predicts labels for rows of many tasks with adapters of one backbone, mixed in every batch.

python scripts/predict.py --backbone B --adapters adapters.json < rows.jsonl > answers.jsonl
python scripts/predict.py --backbone B --adapters adapters.json --rows rows.jsonl

adapters.json gives each adapter a name, its source and the wording of its rows:

{"films": {"results": "results/mine", "run": "ID"},
 "mails": {"adapter": "FOLDER or .npy", "template": "{text}\\nTopic:",
           "verbalizer": {"0": ["trade", "business"], "1": "sport"}, "normalisation": "tokens"},
 "plain": {"template": "{text}\\nIt was", "verbalizer": {"good": "good", "bad": "bad"}}}

A run of a sweep with --keep_trained brings its wording. An adapter, from a folder of PEFT or a
soft prompt in a .npy file, needs a template and a verbalizer. Without a run or an adapter the
unadapted backbone answers.

A row names its adapter and has the columns of the template: {"adapter": "films", "text": "..."}.
Answers are in the order of the rows: the label, and the score of each label. The score is the
summed log-probability of the label's text, normalised by its length if `normalisation` says so;
the probabilities of several texts are added. An invalid row is an error: with --rows it is
reported before any answer, with standard input, which may be endless, after the answers to the
rows before it. With --batch_size 1 every row is answered at once.
"""

from research.common.interrupts import end_on_interrupt

if __name__ == "__main__":
    end_on_interrupt()  # while the rest is imported

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from research.common.errors import LARGEST, InputError, check_whole, exit_on_input_error
from research.common.json_io import parse_json, read_json
from research.common.paths import resolve_path
from research.runtime.process import prepare

if TYPE_CHECKING:  # --help needs no JAX
    from research.serving.service import Request, Service


@exit_on_input_error
def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    prepare()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--backbone", default="world-1m", help="folder or hub id")
    parser.add_argument("--adapters", required=True, type=Path, help="JSON, as above")
    parser.add_argument("--rows", type=Path, help="JSON lines; default: standard input")
    parser.add_argument("--batch_size", type=int, default=32, help="rows of a forward pass")
    parser.add_argument("--too_long", choices=("error", "cut"), default="error")
    options = parser.parse_args(arguments)
    service = _service(options)
    if options.rows is None:
        requests: Iterable[Request] = read_requests(sys.stdin.buffer, service)
    else:
        requests = list(read_requests(_lines(options.rows), service))
    for answer in service.stream(requests):
        print(json.dumps(answer._asdict(), ensure_ascii=False), flush=True)
    return 0


def _service(options: argparse.Namespace) -> "Service":
    import jax.numpy as jnp

    from research.common.config import build
    from research.models.backbone import load_backbone, load_tokenizer
    from research.runtime.devices import Devices
    from research.serving.adapter_spec import AdapterSpec
    from research.serving.service import Service

    check_whole("--batch_size", options.batch_size, most=LARGEST)
    listed = read_json(options.adapters)
    if not listed:
        raise InputError("--adapters", str(options.adapters), "at least one adapter is expected")
    entries = {
        name: build(AdapterSpec, values, f"adapters[{name!r}]") for name, values in listed.items()
    }
    backbone = load_backbone(resolve_path(options.backbone, "--backbone"))
    tokenizer = load_tokenizer(backbone.name, backbone.model)
    served = {}
    for name, entry in entries.items():
        try:
            served[name] = entry.served(backbone, tokenizer, options.too_long)
        except InputError as error:
            raise error.within(f"adapters[{name!r}]") from error
    return Service(
        backbone.model,
        backbone.params,
        served,
        devices=Devices(),
        dtype=jnp.float32,
        size=options.batch_size,
    )


def read_requests(lines: Iterable[bytes], service: "Service") -> Iterator["Request"]:
    """The requests in JSON lines. Raises InputError with the number of the first invalid line."""
    for number, line in enumerate(lines, start=1):
        try:
            if line.strip():
                yield service.request(*_row(line))
        except InputError as error:
            raise error.within(f"line {number}") from error


def _lines(file: Path) -> list[bytes]:
    try:
        return file.read_bytes().splitlines()
    except OSError as error:
        raise InputError("--rows", str(file), f"it cannot be read ({error.strerror})") from error


def _row(line: bytes) -> tuple[str, dict[str, str]]:
    """(name of its adapter, its columns)."""
    try:
        row = parse_json(line)
    except ValueError as error:
        raise InputError("row", line, f"it is no JSON ({error})") from error
    if not isinstance(row, dict) or not all(isinstance(value, str) for value in row.values()):
        raise InputError("row", row, "an object is expected, of which all values are texts")
    if "adapter" not in row:
        raise InputError("row", row, "it names no adapter")
    return row.pop("adapter"), row


if __name__ == "__main__":
    sys.exit(main())
