"""Storage of states by key: in memory up to a bound, and on a disk that processes share."""

import sys
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from filelock import FileLock

from research.common.hashing import sha256
from research.common.printable import printable
from research.runtime.array_file import read_arrays, write_arrays


class KeptState(NamedTuple):
    """The values of one row, or of what all rows share.

    Attributes:
        values: the arrays.
        seconds: that computing them took.
    """

    values: tuple[np.ndarray, ...]
    seconds: float

    @property
    def bytes(self) -> int:
        return sum(value.nbytes for value in self.values)


class StateStore:
    """States by key. A file that is damaged or cannot be written costs a line and a computation.

    Args:
        folder: of the files, on a disk that all workers of a sweep share; None to keep states in
            memory alone.
        most_bytes: bound of the states in memory; the least recently used are dropped first.
    """

    def __init__(self, folder: Path | None, most_bytes: int):
        self.folder, self.most_bytes = folder, most_bytes
        self._memory: OrderedDict[str, KeptState] = OrderedDict()
        self._bytes = 0
        self._files: dict[str, Path] = {}  # by key
        self._read: set[Path] = set()
        self._printed: set[str] = set()

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Held by the one process that computes the states of this name."""
        if self.folder is None:
            yield
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self.notice(f"hidden states are kept in memory alone ({error.strerror})")
            self.folder = None
            yield
            return
        with FileLock(self.folder / f".{sha256(name.encode())[:32]}.lock", thread_local=False):
            yield

    def get(self, keys: Collection[str]) -> dict[str, KeptState]:
        """The states of those keys that are stored."""
        if self.folder is not None and not self._memory.keys() >= set(keys):
            self._look_for_files()
        states: dict[str, KeptState] = {}
        for key in keys:
            if key in self._memory:
                self._memory.move_to_end(key)
                states[key] = self._memory[key]
            elif key in self._files and key not in states:
                loaded = self._load(self._files[key])
                states |= {name: state for name, state in loaded.items() if name in keys}
        return states

    def add(self, states: Mapping[str, KeptState]) -> None:
        """Stores states, in one file for all of them."""
        for key, state in states.items():
            self._remember(key, state)
        if self.folder is None or not states:
            return
        arrays = {
            f"{key}/{i}": value
            for key, state in states.items()
            for i, value in enumerate(state.values)
        }
        seconds = {key: repr(state.seconds) for key, state in states.items()}
        file = self.folder / f"{sha256(' '.join(states).encode())[:32]}.safetensors"
        try:
            write_arrays(file, arrays, seconds)
        except OSError as error:
            self.notice(f"hidden states are kept in memory alone ({error.strerror})")
            self.folder = None
            return
        self._read.add(file)
        self._files |= dict.fromkeys(states, file)

    def notice(self, line: str) -> None:
        """Prints a line to stderr, once."""
        if line not in self._printed:
            self._printed.add(line)
            print(printable(line), file=sys.stderr)

    def _remember(self, key: str, state: KeptState) -> None:
        if key in self._memory:
            self._bytes -= self._memory.pop(key).bytes
        self._memory[key], self._bytes = state, self._bytes + state.bytes
        while self._bytes > self.most_bytes:
            _, dropped = self._memory.popitem(last=False)
            self._bytes -= dropped.bytes

    def _look_for_files(self) -> None:
        """Reads the files that other processes have written since the last call."""
        for file in sorted(self.folder.glob("*.safetensors")):  # pyright: ignore
            if file not in self._read:
                self._load(file)

    def _load(self, file: Path) -> dict[str, KeptState]:
        """The states of a file; none of a damaged one, which is removed."""
        self._read.add(file)
        try:
            arrays, seconds = read_arrays(file)
            states = {key: _state(key, arrays, float(spent)) for key, spent in seconds.items()}
        except (KeyError, OSError, ValueError) as error:
            self.notice(f"hidden states in {file} are computed again ({error})")
            self._files = {key: path for key, path in self._files.items() if path != file}
            file.unlink(missing_ok=True)
            return {}
        for key, state in states.items():
            self._remember(key, state)
        self._files |= dict.fromkeys(states, file)
        return states


def _state(key: str, arrays: Mapping[str, np.ndarray], seconds: float) -> KeptState:
    count = sum(name.rpartition("/")[0] == key for name in arrays)
    return KeptState(tuple(arrays[f"{key}/{i}"] for i in range(count)), seconds)
