"""Checks that both sides can load a real backbone."""

import functools
import tempfile
from contextlib import closing
from pathlib import Path

from research.common.errors import InputError
from research.studies.speed.case import OURS, PEFT
from research.studies.speed.real_model.model_files import link_model
from research.studies.speed.side import Side


def check_loads(folder: str, dtype: str) -> None:
    """Loads the backbone in a process of each side, once for all of its cases.

    Raises RuntimeError, with one sentence, if a side cannot load it.
    """
    problem = _problem(folder, dtype)
    if problem is not None:
        raise RuntimeError(problem)


@functools.lru_cache
def _problem(folder: str, dtype: str) -> str | None:
    """Why a side cannot load the backbone; None if both can."""
    with tempfile.TemporaryDirectory() as inputs:
        try:
            link_model(Path(inputs), folder)
            for module in (OURS, PEFT):
                with closing(Side(module, "load", Path(inputs), dtype, 0.0)) as side:
                    side(0)
        except (InputError, RuntimeError) as error:
            return str(error).replace(str(Path(inputs) / "model"), folder)
    return None
