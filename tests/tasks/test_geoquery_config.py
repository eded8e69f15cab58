"""configs/smollm2_geoquery.py: its format, and its rows at tiny shapes."""

import importlib
import json
import re
from pathlib import Path

import pytest

from research.records.predictions.texts import TextPredictions
from research.records.store import RunStore
from research.tasks import TASKS
from tests import films
from tests.shrunk_configs import config_of, shrunk

QUERY = importlib.import_module("configs.smollm2_geoquery").QUERY
CAPITAL = (
    'SELECT STATEalias0.CAPITAL FROM STATE AS STATEalias0 WHERE STATEalias0.STATE_NAME = "{}" ;'
)


def write_queries(file: Path, count: int) -> None:
    """Questions about capitals in the format of text2sql-data."""
    sentences = [
        {
            "question-split": split,
            "text": "what is the capital of state_name0",
            "variables": {"state_name0": f"{split}{i}"},
        }
        for split in ("train", "dev", "test")
        for i in range(count)
    ]
    entry = {"query-split": "train", "sentences": sentences, "variables": []}
    file.write_text(json.dumps([entry | {"sql": [CAPITAL.format("state_name0")]}]))


@pytest.mark.parametrize(
    "text",
    [
        CAPITAL.format("texas").replace("STATE AS", "COUNTRY AS"),
        CAPITAL.format("texas").replace("alias0.CAPITAL", "alias0.CITY_NAME"),
        CAPITAL.format("texas")[:-2],
        CAPITAL.format("texas") + " DROP TABLE STATE ;",
    ],
)
def test_other_tables_columns_and_statements_are_out_of_format(text: str):
    assert re.fullmatch(QUERY, CAPITAL.format("texas"))
    assert not re.fullmatch(QUERY, text)


def test_every_reference_is_in_format(shared: Path):
    task = TASKS["geoquery"](file=str(shared / "data/text2sql/geography.json")).load()
    examples = [example for split in task.splits.values() for example in split]
    assert len(examples) == 877
    odd = [text for e in examples for text in e.references if not re.fullmatch(QUERY, text)]
    assert odd == []


@pytest.mark.thorough
def test_the_rows_of_geoquery(tmp_path: Path):
    """Constrained rows write queries, free ones of a random model do not."""
    pytest.importorskip("outlines_core")
    write_queries(tmp_path / "geography.json", 8)
    config = shrunk(config_of("smollm2_geoquery"), tmp_path)
    config["task"] |= {"file": str(tmp_path / "geography.json")}
    for row in config["approaches"]:
        row |= {"demonstrations": min(1, row.get("demonstrations", 0)), "max_new_tokens": 24}
    store = RunStore(films.run(config, tmp_path / "results"))
    tested = {record.approach: record for record in store.all() if record.tested}
    rows = {row["name"] for row in config["approaches"]}
    assert rows <= tested.keys() and len(rows) == 6
    for name in rows:
        _, predictions = store.load(tested[name].run_id)
        assert isinstance(predictions, TextPredictions)
        in_format = [bool(re.fullmatch(QUERY, text)) for text in predictions.outputs]
        assert len(in_format) == 8 and set(in_format) == {"constrained" in name}, name
    assert "in format % of outputs" in (tmp_path / "results/table.md").read_text()
