"""Outcomes of stages that several runs have in common, each trained once."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock

from research.common.errors import InputError
from research.runtime.array_file import read_arrays, write_arrays
from research.runtime.clock import spent_on
from research.training.member import MemberProgress, Outcome


class StageCache:
    """Outcomes of stages by id, one file each in `folder`, as long as cells need them.

    The threads of a sweep share one cache, which counts the cells. Worker processes have their own.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._lock = threading.Lock()
        self._cells: Counter[str] = Counter()

    def expect(self, ids: Iterable[str]) -> None:
        """Counts one more cell that starts from each of these stages."""
        with self._lock:
            self._cells.update(ids)

    def release(self, ids: Iterable[str]) -> None:
        """Counts one cell less for each stage, and removes stages that no other cell needs."""
        with self._lock:
            self._cells.subtract(ids := list(ids))
            for id in ids:
                if self._cells[id] <= 0:
                    self._file(id).unlink(missing_ok=True)
                    self._lock_file(id).unlink(missing_ok=True)

    def get_or_train(
        self, ids: Collection[str], train: Callable[[], dict[str, Outcome]]
    ) -> dict[str, Outcome]:
        """The outcomes of these stages.

        If one is missing, `train` trains all of them, since the plan decides which runs train
        together. Cached outcomes are not overwritten. A stage that another thread or process is
        training is waited for.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as held:
            with spent_on("waiting"):
                for id in sorted(ids):  # all callers use one order, so that there is no deadlock
                    held.enter_context(FileLock(self._lock_file(id), thread_local=False))
            cached = {id: self.read(id) for id in ids if self.has(id)}
            trained = train() if len(cached) < len(ids) else {}
            for id in trained.keys() - cached.keys():
                self.write(id, trained[id])
            return {**trained, **cached}

    def has(self, id: str) -> bool:
        """Whether the outcome of stage `id` is cached."""
        return self._file(id).is_file()

    @spent_on("loading")
    def read(self, id: str) -> Outcome:
        """The cached outcome of stage `id`. Raises InputError for a damaged file."""
        try:
            arrays, metadata = read_arrays(self._file(id))
            return Outcome({**arrays}, MemberProgress(**json.loads(metadata["progress"])))
        except (KeyError, TypeError, ValueError) as error:
            allowed = f"the file is damaged ({error}); delete it and the stage is trained again"
            raise InputError("stage", str(self._file(id)), allowed) from error

    @spent_on("storing")
    def write(self, id: str, outcome: Outcome) -> None:
        """Caches the outcome of stage `id`."""
        progress = json.dumps(asdict(outcome.progress))
        write_arrays(self._file(id), outcome.trained, {"progress": progress})

    def _file(self, id: str) -> Path:
        return self.folder / f"{id}.safetensors"

    def _lock_file(self, id: str) -> Path:
        return self.folder / f".{id}.lock"
