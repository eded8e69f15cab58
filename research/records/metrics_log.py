"""Metrics of runs during training: `metrics/<id>.jsonl`, and optionally TensorBoard."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from research.common.files import write_atomically
from research.records.json_data import to_json
from research.records.measurements import Evaluation
from research.records.schema import RunRecord
from research.records.tensorboard_log import RunLabel, TensorboardLog

if TYPE_CHECKING:
    from research.experiments.plan import Run

History = Sequence[Sequence[Any]]  # rows as `Evaluation` has them


class MetricsLog:
    """Writes the metrics of runs to a results folder, one file per run.

    A file has a line of JSON for each evaluation, written when it is made: the run's id, the stage
    and the fields of `Evaluation`. The last line has the status and the metrics of each split. The
    first line that a process writes of a run replaces the file by all lines so far, so that a
    resumed run has each line once and no line that a killed process wrote in part.

    Attributes:
        folder: folder of the files.
        tensorboard: the TensorBoard log; None if it is not wanted.
    """

    def __init__(self, folder: Path, tensorboard: bool = False):
        self.folder = folder / "metrics"
        self.tensorboard = TensorboardLog(folder / "tensorboard") if tensorboard else None

    def live(self, run: "Run", earlier: Sequence[History]) -> Callable[[History], None]:
        """A function to call with the history of a run's stage whenever it may have grown.

        Args:
            run: the run.
            earlier: histories of the earlier stages.
        """
        written, index = 0, len(earlier)
        write_tensorboard = self.tensorboard and self.tensorboard.open(_run_label(run), earlier)

        def write(history: History) -> None:
            nonlocal written
            if written == 0:
                self._replace(run.id, metric_lines(run.id, [*earlier, history]))
            else:
                new = metric_lines(run.id, [history[written:]], index)
                with self._file(run.id).open("a") as file:
                    file.write(_text(new))
            if write_tensorboard:
                write_tensorboard(history)
            written = len(history)

        return write

    def finish(self, record: RunRecord) -> None:
        """Writes all lines of a run, the last one included."""
        last = {"run_id": record.run_id, "status": record.status, "metric": record.metric}
        lines = [*metric_lines(record.run_id, record.history), {**last, **record.metrics}]
        self._replace(record.run_id, lines)
        if self.tensorboard:
            self.tensorboard.finish(record)

    def _replace(self, id: str, lines: Sequence[Mapping[str, Any]]) -> None:
        write_atomically(self._file(id), _text(lines).encode())

    def _file(self, id: str) -> Path:
        return self.folder / f"{id}.jsonl"


def metric_lines(id: str, histories: Sequence[History], first: int = 0) -> list[dict[str, Any]]:
    """A mapping for each evaluation of a run's stages; `first` is the number of the first stage."""
    return [
        {"run_id": id, "stage": stage, **dict(zip(Evaluation._fields, entry, strict=True))}
        for stage, history in enumerate(histories, first)
        for entry in history
    ]


def _text(lines: Sequence[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(to_json(line), allow_nan=False) + "\n" for line in lines)


def _run_label(run: "Run") -> RunLabel:
    cell = run.cell
    return RunLabel(cell.approach.name, cell.task.name, str(cell.regime), run.seeds.sample, run.id)
