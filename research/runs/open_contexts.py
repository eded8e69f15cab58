"""The run contexts of an experiment with several backbones, one at a time in memory."""

import gc
from pathlib import Path

from research.experiments.experiment import Experiment
from research.runs.context import RunContext, open_context


class OpenContexts:
    """Opens the run context of each backbone; only the last one is kept.

    Args:
        folder: the results folder.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._last: tuple[str, RunContext] | None = None

    def of(self, experiment: Experiment) -> RunContext:
        """The context of the part of an experiment with one backbone. Raises InputError."""
        if self._last is not None and self._last[0] != experiment.backbone:
            self._last = None
            gc.collect()  # before the next is loaded
        if self._last is None:
            self._last = experiment.backbone, open_context(experiment, self.folder)
        return self._last[1]
