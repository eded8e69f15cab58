"""Reads adapters from runs of a results folder, folders of PEFT and soft prompts in files."""

from pathlib import Path

from research.common.errors import InputError
from research.experiments.parse_approach import parse_approach
from research.experiments.stage_sequence import methods_after
from research.interop.peft import load_adapter
from research.interop.prompt_file import load_prompt
from research.methods.method import Leaves, Method
from research.methods.shared.leaves import added_to, flat
from research.models.backbone import Backbone
from research.records.measurements import BackboneReference
from research.records.schema import RunRecord
from research.records.store import RunStore
from research.records.weights import load_trained
from research.training.optimizer import Schedule

Source = tuple[tuple[Method, ...], Leaves]


def record_of(results: str, id: str) -> tuple[RunRecord, BackboneReference]:
    """The record of a run and its backbone.

    Raises InputError for an unknown run, and for one without a backbone.
    """
    store = RunStore(results)
    if not store.has(id):
        raise InputError("run", id, f"{results} has no such run")
    record = store.read(id)
    if record.backbone is None:
        raise InputError("run", id, "it is of a row that does not use the backbone")
    return record, record.backbone


def from_run(results: str, id: str, backbone: Backbone) -> Source:
    """The methods at work at the end of a run, and their leaves.

    Raises InputError for a run whose leaves were not stored, and for another backbone than its own.
    """
    record, reference = record_of(results, id)
    if reference.checksum != backbone.checksum:
        raise InputError("backbone", backbone.name, f"it is not the one that run {id} started from")
    approach = parse_approach(record.configuration.approach, Schedule(), "approach")
    methods = methods_after(approach.stages)
    leaves = load_trained(Path(results), id, record.trained)
    for method in methods:
        if added_to(method, leaves):
            leaves |= flat(method, method.redrawn(backbone.params))
    return methods, leaves


def from_adapter(file: str, backbone: Backbone) -> Source:
    """The methods and leaves of a folder that PEFT wrote, or of a prompt in a .npy file."""
    if Path(file).suffix == ".npy":
        return load_prompt(file, backbone.params)
    return load_adapter(file, backbone.model, backbone.params, backbone.name)
