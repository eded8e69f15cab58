"""Names of an experiment's backbones in the rows of tables."""

from collections.abc import Sequence
from pathlib import Path


def backbone_labels(names: Sequence[str]) -> dict[str, str]:
    """A short label for each of several backbones, by name; none for one backbone.

    The label is the last part of a path or hub id, or the whole name where two last parts are
    equal.
    """
    if len(names) < 2:
        return {}
    last = {name: Path(name).name or name for name in names}
    return last if len(set(last.values())) == len(last) else {name: name for name in names}


def row_name(approach: str, label: str | None) -> str:
    """The name of a table row: the approach, and the label of its backbone if there is one."""
    return approach if label is None else f"{approach} on {label}"
