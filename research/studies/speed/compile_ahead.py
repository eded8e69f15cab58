"""Compiles the programs of cases several at a time, before anything is timed."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from rich.console import Console

from research.common.errors import InputError
from research.studies.speed.case import OURS, Case
from research.studies.speed.head_to_head import CompiledCase
from research.studies.speed.side import Side

CORES_EACH = 2  # of a compilation


@contextmanager
def compiled_ahead(
    cases: Sequence[Case], dtype: str, console: Console
) -> Iterator[dict[str, CompiledCase]]:
    """Writes the inputs of the cases and compiles our side's programs.

    Yields the compiled cases by name. A case that fails is left out: it is reported when it is
    measured.

    Args:
        cases: The cases.
        dtype: dtype of frozen weights and operations.
        console: Where the duration is printed.
    """
    with tempfile.TemporaryDirectory() as root:
        cache, compiled = Path(root) / "cache", {}
        with ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // CORES_EACH)) as pool:
            futures = {}
            for index, case in enumerate(cases):
                folder = Path(root) / str(index)
                folder.mkdir()
                console.print(f"compiling: {case.name}")
                futures[case.name] = pool.submit(_compile, case, folder, dtype, cache)
        for name, future in futures.items():
            error = future.exception()
            if error is None:
                compiled[name] = future.result()
            elif not isinstance(error, InputError | RuntimeError):
                raise error
        yield compiled


def _compile(case: Case, folder: Path, dtype: str, cache: Path) -> CompiledCase:
    case.prepare(folder)
    with closing(Side(OURS, case.ours, folder, dtype, case.learning_rate, cache=cache)) as side:
        return CompiledCase(folder, cache, side.compile())
