"""Metrics of runs for `tensorboard --logdir results/NAME/tensorboard`, by tensorboardX.

tensorboardX needs only numpy and protobuf; other writers depend on a web server, PyTorch or
TensorFlow.
"""

import importlib.util
import math
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from research.common.errors import InputError
from research.records.schema import RunRecord

TAGS = ("train/loss", "dev/score", "dev/loss")  # of the values after the step


class RunLabel(NamedTuple):
    """Identifies a run in TensorBoard.

    Attributes:
        approach: name of the approach.
        task: name of the task.
        regime: the regime.
        seed: seed of the sample.
        run_id: id of the run.
    """

    approach: str
    task: str
    regime: str
    seed: int
    run_id: str


class TensorboardLog:
    """A folder of event files for each run: approach/task/regime/seed and id.

    Steps continue over the stages. Existing files of a run are replaced when it starts or resumes.
    Raises InputError if tensorboardX is not installed.
    """

    def __init__(self, folder: Path):
        if importlib.util.find_spec("tensorboardX") is None:
            allowed = "it takes tensorboardX: pip install 'adaptlab[tensorboard]'"
            raise InputError("tensorboard", True, allowed)
        self.folder = folder
        self._writers: dict[str, Any] = {}

    def open(self, run: RunLabel, earlier: Sequence[Any]) -> Callable[[Any], None]:
        """A function to call with the history of a run's stage whenever it may have grown."""
        written, first_step = 0, sum(history[-1][0] for history in earlier if history)

        def write(history: Sequence[Any]) -> None:
            nonlocal written
            if run.run_id not in self._writers:
                self._start(run, earlier)
            writer = self._writers[run.run_id]
            _add(writer, history[written:], first_step)
            writer.flush()
            written = len(history)

        return write

    def finish(self, record: RunRecord) -> None:
        """Adds the metrics of each split, after the missing evaluations."""
        if record.run_id not in self._writers:
            name = RunLabel(*record.cell, record.seed, record.run_id)
            self._start(name, record.history)
        writer = self._writers.pop(record.run_id)
        end = sum(history[-1].step for history in record.history if history)
        for split, metrics in record.metrics.items():
            for name, value in metrics.items():
                if value is not None and math.isfinite(value):
                    writer.add_scalar(f"end/{split}/{name}", value, end)
        writer.close()

    def _start(self, run: RunLabel, histories: Sequence[Any]) -> None:
        """Opens a new folder with these histories."""
        from tensorboardX import SummaryWriter  # takes a third of a second to import

        names = (run.approach, run.task, run.regime, f"seed {run.seed} {run.run_id}")
        folder = self.folder.joinpath(*(re.sub(r"[^\w.+-]+", "_", name) for name in names))
        shutil.rmtree(folder, ignore_errors=True)
        writer = self._writers[run.run_id] = SummaryWriter(str(folder))
        first_step = 0
        for history in histories:
            _add(writer, history, first_step)
            first_step += history[-1][0] if history else 0


def _add(writer: Any, history: Sequence[Any], first_step: int) -> None:
    for step, *values in history:
        for tag, value in zip(TAGS, values, strict=True):
            if value is not None:
                writer.add_scalar(tag, value, first_step + step)
