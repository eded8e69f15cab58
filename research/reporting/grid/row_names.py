"""The names of table rows: approaches, with their backbone where a results folder has several."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from research.common.errors import InputError
from research.experiments.backbone_names import backbone_labels, row_name
from research.records.failures import Failure
from research.records.schema import CellKey, RunRecord

SEPARATE = "keep the results of each in a folder of its own"


@dataclass(frozen=True)
class RowNames:
    """The names of the rows of a results folder.

    Attributes:
        backbones: name of each backbone by checksum, in the order of the experiment.
        labels: label of each backbone by name; empty where the folder has one.
    """

    backbones: Mapping[str, str]
    labels: Mapping[str, str]

    def key(self, record: RunRecord) -> CellKey:
        """The cell of a run: row, task and regime."""
        label = None
        if record.backbone is not None:
            label = self.labels.get(self.backbones[record.backbone.checksum])
        return row_name(record.approach, label), record.task, record.regime

    def key_of_failure(self, failure: Failure) -> CellKey:
        """The cell of a failure."""
        label = self.labels.get(failure.backbone or "", failure.backbone)
        return row_name(failure.approach, label), failure.task, failure.regime

    def position(self, record: RunRecord) -> int:
        """Position of the run's backbone in the experiment; 0 for a baseline."""
        return list(self.backbones).index(record.backbone.checksum) if record.backbone else 0


def row_names(records: Iterable[RunRecord], folder: str) -> RowNames:
    """The names of rows for these runs of a folder.

    Raises InputError for several backbones that no experiment of the folder has named together.
    """
    newest = sorted(records, key=lambda record: (record.created, record.run_id), reverse=True)
    named = list(dict.fromkeys(n for record in newest for n in record.configuration.backbones))
    names: dict[str, str] = {}
    for record in newest:
        if record.backbone is not None:
            checksum, name = record.backbone.checksum, record.backbone.name
            if name in named or checksum not in names:
                names[checksum] = name
    if len(names) > 1 and set(names.values()) - set(named):
        allowed = f"a table has one, unless the experiment has several `backbones`; {SEPARATE}"
        raise InputError(f"{folder}: backbone", sorted(names), allowed)
    if len(set(names.values())) < len(names):
        allowed = f"it has changed since the first of its runs; {SEPARATE}"
        raise InputError(f"{folder}: backbone", sorted(names.values()), allowed)
    order = {name: index for index, name in enumerate(named)}
    by_order = sorted(names, key=lambda checksum: order.get(names[checksum], 0))
    return RowNames(
        backbones={checksum: names[checksum] for checksum in by_order},
        labels=backbone_labels(named or list(names.values())),
    )
