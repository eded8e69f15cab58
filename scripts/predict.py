"""Predicts labels for rows of many tasks with adapters of one backbone, mixed in every batch.

python scripts/predict.py --backbone B --adapters adapters.json < rows.jsonl > answers.jsonl
python scripts/predict.py --backbone B --adapters adapters.json --rows rows.jsonl

adapters.json gives each adapter a name, its source and the wording of its rows:

{"films": {"results": "results/mine", "run": "ID"},
 "mails": {"adapter": "FOLDER or .npy", "template": "{text}\\nTopic:",
           "verbalizer": {"0": ["trade", "business"], "1": "sport"}, "normalisation": "tokens"},
 "plain": {"template": "{text}\\nIt was", "verbalizer": {"good": "good", "bad": "bad"}}}

A run of a sweep with --keep_trained brings all that its rows need, and answers them as the sweep
did: wording, demonstrations, max_tokens, too_long, treatment of white space, precision. An
adapter, from a folder of PEFT or a soft prompt in a .npy file, needs a template and a verbalizer;
`end`, `bos`, `max_tokens`, `precision`, `chat`, `system`, `instruction` and `thinking` have the
defaults of a sweep. Without a run or an adapter the unadapted backbone answers.

A row names its adapter and has the columns of the template: {"adapter": "films", "text": "..."}.
Values are read as in a file of training: numbers become texts, other columns may hold anything.
Answers are in the order of the rows: the label, and the score of each label. The score is the
summed log-probability of the label's text, normalised by its length if `normalisation` says so;
the probabilities of several texts are added. In place of an answer, an invalid row has its line
number and an error; the rows after it are answered, and the exit code is 2. With --batch_size 1
every row is answered at once. Standard error shows the progress: on a terminal every second, unless
the answers are shown there, else every ten seconds.
"""

from research.common.interrupts import end_on_interrupt

if __name__ == "__main__":
    end_on_interrupt()  # while the rest is imported

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from research.common.errors import LARGEST, InputError, check_whole, exit_on_input_error
from research.common.json_io import parse_json, read_json
from research.common.paths import resolve_path
from research.runtime.process import prepare

if TYPE_CHECKING:  # --help needs no JAX
    from research.serving.service import Refusal, Request, Service

PROGRESS_SECONDS = 10.0  # between two lines about progress
TERMINAL_SECONDS = 1.0  # where a line replaces the last


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
    parser.add_argument(
        "--too_long",
        choices=("error", "cut"),
        help="for rows that are too long; default: as in the run, and an error without a run",
    )
    options = parser.parse_args(arguments)
    service = _service(options)
    if options.rows is None:
        return answer(sys.stdin.buffer, service)
    lines = _lines(options.rows)
    return answer(lines, service, total=sum(bool(line.strip()) for line in lines))


def answer(lines: Iterable[bytes], service: "Service", total: int | None = None) -> int:
    """Prints a line for each row; returns the exit code.

    Args:
        lines: the rows.
        service: answers them.
        total: number of rows; None where it is not known.
    """
    from research.serving.service import Refusal

    refused: list[Refusal] = []
    progress, count = Progress(total), 0
    for count, response in enumerate(service.stream(read_requests(lines, service)), start=1):
        print(json.dumps(response._asdict(), ensure_ascii=False), flush=True)
        if isinstance(response, Refusal):
            refused.append(response)
        if count % service.size == 0:  # a whole batch is answered
            progress.report(count)
    progress.end()
    if not refused:
        return 0
    print(
        f"error: {len(refused)} of {count} rows are not answered; the first: {refused[0].error}",
        file=sys.stderr,
    )
    return 2


class Progress:
    """Writes how many rows are answered to standard error.

    The rows that are left are expected at the pace since the first report, before which programs
    were compiled.

    Args:
        total: number of rows; None where it is not known.
    """

    def __init__(self, total: int | None):
        self.total, self.started = total, time.monotonic()
        self.reported, self.on_line = self.started, False
        self.first: tuple[int, float] | None = None  # rows and seconds of the first batch
        # Where answers are shown on the terminal, a line that replaces the last would hide one.
        self.replaces = sys.stderr.isatty() and not sys.stdout.isatty()

    def report(self, count: int) -> None:
        """Takes the number of answered rows; writes a line if the last is old enough."""
        now = time.monotonic()
        first_rows, first_seconds = self.first or (0, 0.0)
        self.first = self.first or (count, now - self.started)
        if now - self.reported < (TERMINAL_SECONDS if self.replaces else PROGRESS_SECONDS):
            return
        seconds = now - self.started
        pace = (seconds - first_seconds) / (count - first_rows)
        self.reported, line = now, _progress(count, self.total, seconds, pace)
        begin, end = ("\r\033[K", "") if self.replaces else ("", "\n")
        print(f"{begin}{line}", end=end, file=sys.stderr, flush=True)
        self.on_line = True

    def end(self) -> None:
        """Clears a line that would be replaced."""
        if self.replaces and self.on_line:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def _progress(count: int, total: int | None, seconds: float, pace: float) -> str:
    """The line; pace: seconds of a row."""
    rows = "row" if count == 1 and total is None else "rows"
    if total is None:
        return f"{count:,} {rows} answered in {seconds:.0f} s"
    left = pace * (total - count)
    return f"{count:,} of {total:,} rows answered in {seconds:.0f} s, about {left:.0f} s left"


def _service(options: argparse.Namespace) -> "Service":
    from research.common.config import build
    from research.models.backbone import load_backbone, load_tokenizer
    from research.runtime.devices import Devices
    from research.runtime.memory import compute_in_caller
    from research.serving.adapter_spec import AdapterSpec
    from research.serving.service import Service

    check_whole("--batch_size", options.batch_size, most=LARGEST)
    listed = read_json(options.adapters)
    if not listed:
        raise InputError("--adapters", str(options.adapters), "at least one adapter is expected")
    entries = {
        name: build(AdapterSpec, values, f"adapters[{name!r}]") for name, values in listed.items()
    }
    compute_in_caller()
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
        size=options.batch_size,
    )


def read_requests(lines: Iterable[bytes], service: "Service") -> Iterator["Request | Refusal"]:
    """The requests in JSON lines; a refusal, with the number of its line, for an invalid one."""
    from research.serving.service import Refusal

    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield service.request(*_row(line))
        except InputError as error:
            yield Refusal(number, str(error.within(f"line {number}")))


def _lines(file: Path) -> list[bytes]:
    try:
        return file.read_bytes().splitlines()
    except OSError as error:
        raise InputError("--rows", str(file), f"it cannot be read ({error.strerror})") from error


def _row(line: bytes) -> tuple[str, dict[str, object]]:
    """(name of its adapter, its columns). Numbers keep their written form, as in a file."""
    try:
        row = parse_json(line, parse_int=str, parse_float=str, parse_constant=str)
    except ValueError as error:
        raise InputError("row", line, f"it is no JSON ({error})") from error
    if not isinstance(row, dict):
        raise InputError("row", row, 'an object such as {"adapter": ..., "text": ...} is expected')
    if not isinstance(row.get("adapter"), str):
        raise InputError("row", row, "it names no adapter")
    return row.pop("adapter"), row


if __name__ == "__main__":
    sys.exit(main())
