"""Configs of the repository, made small enough to run in a test."""

import importlib
from pathlib import Path
from typing import Any

from tests import films


def config_of(name: str, *arguments: str) -> dict[str, Any]:
    """The plain data of `configs/NAME.py`."""
    return importlib.import_module(f"configs.{name}").get_config(*arguments).to_dict()


def shrunk(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The config with a tiny backbone, few steps and short outputs."""
    films.write_backbone(folder / "backbone", context=400)
    config |= {"backbone": str(folder / "backbone"), "devices": {"count": 1}}
    config |= {"regimes": ("4",), "seeds": 1, "search_seeds": 1, "max_dev": 2}
    config["schedule"] |= {"steps": 2, "batch_size": 2, "eval_every": 1}
    for row in config["approaches"]:
        row |= {"max_new_tokens": 4, "scoring": "fixed"}
    return config
