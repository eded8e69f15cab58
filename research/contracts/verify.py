"""Checks the contracts on methods and prints a table of verdicts for each."""

from rich.console import Console
from rich.table import Table

from research.common.config import build_named
from research.common.errors import InputError
from research.common.json_io import parse_json
from research.common.paths import resolve_path
from research.contracts.contracts import CONTRACTS, Broken
from research.contracts.subject import ContractCase
from research.evaluation.scoring import route_of
from research.methods import METHODS
from research.methods.head import Head
from research.methods.method import Method
from research.models.backbone import Backbone, load_backbone


def verify(name: str, text: str | None, console: Console) -> int:
    """Returns the number of broken contracts.

    Args:
        name: Folder or hub id of the backbone.
        text: A method as JSON; None: every registered method that fits the backbone.
        console: Where the tables are printed.
    """
    backbone = load_backbone(resolve_path(name, "--backbone"))
    if text is not None:
        return _check(backbone, _method(text), console)
    broken = 0
    for method in METHODS.values():
        try:
            broken += _check(backbone, method(), console)
        except InputError as error:
            console.print(f"not checked: {error}")
    return broken


def _method(text: str) -> Method:
    try:
        values = parse_json(text)
    except ValueError as error:
        raise InputError("--method", text, f"it is no JSON ({error})") from error
    return build_named(METHODS, values, "--method", "name")


def _check(backbone: Backbone, method: Method, console: Console) -> int:
    """Prints the verdict of each contract on a method; returns the number of broken ones."""
    methods = (method,)
    if backbone.model.ROUTE == "masked" and not backbone.model.config.masked_lm:
        methods = (Head(), *methods) if not method.is_head else methods
    route_of(backbone.model, methods)  # raises InputError where labels cannot be scored
    case = ContractCase(backbone.model, backbone.params, methods)
    table = Table(title=str(method), title_justify="left", show_header=False)
    broken = 0
    for contract in CONTRACTS:
        try:
            contract(case)
            verdict = "kept"
        except Broken as error:
            broken, verdict = broken + 1, f"BROKEN: {error}"
        table.add_row(contract.__name__.replace("_", " "), verdict)
    console.print(table)
    return broken
