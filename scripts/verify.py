"""Checks the contracts that any method on any model must keep.

python scripts/verify.py
python scripts/verify.py --backbone B --method '{"name": "lora", "rank": 4}'

Without --method it checks every registered method that fits the backbone, with its defaults.
"""

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from research.common.config import build_named
from research.common.errors import InputError, exit_on_input_error
from research.common.json_io import parse_json
from research.common.paths import resolve_path
from research.contracts.contracts import CONTRACTS, Broken
from research.contracts.subject import ContractCase
from research.evaluation.scoring import route_of
from research.methods import METHODS
from research.methods.head import Head
from research.methods.method import Method
from research.models.backbone import Backbone, load_backbone
from research.runtime.process import prepare


@exit_on_input_error
def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, or 1 if a contract is broken."""
    prepare()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--backbone", default="world-1m", help="folder or hub id")
    parser.add_argument("--method", help="as in a config, as JSON")
    options = parser.parse_args(arguments)
    backbone = load_backbone(resolve_path(options.backbone, "--backbone"))
    console = Console()
    if options.method is not None:
        return 1 if _check(backbone, _method(options.method), console) else 0
    broken = 0
    for method in METHODS.values():
        try:
            broken += _check(backbone, method(), console)
        except InputError as error:
            console.print(f"not checked: {error}")
    return 1 if broken else 0


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


if __name__ == "__main__":
    sys.exit(main())
