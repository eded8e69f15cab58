"""Metrics of runs while they train: `metrics/<id>.jsonl`, and TensorBoard where it is asked for."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from research.common.files import write_atomically
from research.experiments.plan import Run
from research.records.schema import to_json
from research.records.tensorboard_log import TensorboardLog

History = Sequence[Sequence[Any]]  # (step, train loss, dev score, dev loss) per evaluation
NAMES = ("step", "train_loss", "dev_score", "dev_loss")


class MetricsLog:
    """Writes the metrics of runs in a results folder, of which each has a file of its own, so that
    threads and processes do not meet.

    A line of JSON for each evaluation, as it is made: the run's id, the stage and `NAMES`; and a
    last one with the status and the metrics of each split. The first line that a process writes of
    a run replaces the file, by all lines so far: a resumed run has each line once, and one that a
    killed process wrote in part is gone. board: None where TensorBoard is not asked for.
    """

    def __init__(self, folder: Path, tensorboard: bool = False):
        self.folder = folder / "metrics"
        self.board = TensorboardLog(folder / "tensorboard") if tensorboard else None

    def live(self, run: Run, earlier: Sequence[History]) -> Callable[[History], None]:
        """What is to be called with the history of a run's stage whenever it may have grown.

        earlier: the histories of the stages before.
        """
        written, index = 0, len(earlier)
        board = self.board and self.board.open(_about(run), earlier)

        def write(history: History) -> None:
            nonlocal written
            if written == 0:
                self._replace(run.id, metric_lines(run.id, [*earlier, history]))
            else:
                new = metric_lines(run.id, [history[written:]], index)
                with self._file(run.id).open("a") as file:
                    file.write(_text(new))
            if board:
                board(history)
            written = len(history)

        return write

    def finish(self, record: Mapping[str, Any]) -> None:
        """Writes all lines of a run, the last one included."""
        id, histories = record["run_id"], record["history"]
        scores = {split: of for split, of in record["metrics"].items() if of is not None}
        last = {"run_id": id, "status": record["status"], "metric": record["metric"], **scores}
        self._replace(id, [*metric_lines(id, histories), last])
        if self.board:
            self.board.finish(record, histories, scores)

    def _replace(self, id: str, found: Sequence[Mapping[str, Any]]) -> None:
        write_atomically(self._file(id), _text(found).encode())

    def _file(self, id: str) -> Path:
        return self.folder / f"{id}.jsonl"


def metric_lines(id: str, histories: Sequence[History], first: int = 0) -> list[dict[str, Any]]:
    """A mapping for each evaluation of a run's stages, of which the first one here is `first`."""
    return [
        {"run_id": id, "stage": stage, **dict(zip(NAMES, entry, strict=True))}
        for stage, history in enumerate(histories, first)
        for entry in history
    ]


def _text(found: Sequence[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(to_json(line), allow_nan=False) + "\n" for line in found)


def _about(run: Run) -> dict[str, Any]:
    """What a record says of a run that is not yet recorded."""
    return {
        "run_id": run.id,
        "approach": run.cell.approach.name,
        "task": run.cell.task.name,
        "regime": str(run.cell.regime),
        "seed": run.seeds.sample,
    }
