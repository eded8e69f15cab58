"""Text to SQL with an instruct model: SmolLM2-135M-Instruct on GeoQuery, free and constrained.

    python scripts/sweep.py --config configs/smollm2_geoquery.py

The default backbone is the folder in ADAPTLAB_SMOLLM2, or any folder or hub id of a decoder; the
queries lie in ADAPTLAB_SHARED. Each approach has two rows: texts are decoded freely, or only such
that the whole text is a query of the schema's tables and columns (pip install
'adaptlab[constrained]'). The score is the share of queries that equal a reference but for the names
of aliases and spaces, see `sql_match`; the share of queries in format is a column of its own. With
three seeds, every cell is provisional. Results: results/smollm2_geoquery/.
"""

from typing import Any

from ml_collections import ConfigDict

from research.experiments.presets import trained

# The schema of geography-schema.csv.
TABLES = {
    "STATE": "STATE_NAME CAPITAL POPULATION AREA COUNTRY_NAME DENSITY",
    "BORDER_INFO": "STATE_NAME BORDER",
    "CITY": "CITY_NAME STATE_NAME POPULATION COUNTRY_NAME",
    "HIGHLOW": "STATE_NAME HIGHEST_POINT HIGHEST_ELEVATION LOWEST_POINT LOWEST_ELEVATION",
    "RIVER": "RIVER_NAME LENGTH TRAVERSE COUNTRY_NAME",
    "MOUNTAIN": "MOUNTAIN_NAME MOUNTAIN_ALTITUDE STATE_NAME COUNTRY_NAME",
    "ROAD": "ROAD_NAME STATE_NAME",
    "LAKE": "LAKE_NAME AREA STATE_NAME COUNTRY_NAME",
}
KEYWORDS = (
    "SELECT DISTINCT FROM AS WHERE AND OR NOT IN ALL LIKE GROUP ORDER BY HAVING DESC ASC LIMIT "
    "LEFT OUTER JOIN ON IS NULL BETWEEN AVG"
)


def _query() -> str:
    """A regular expression of queries: SELECT, then words of the schema and of SQL."""
    names = [
        rf"{table}(alias\d(\.({'|'.join(columns.split())}))?)?" for table, columns in TABLES.items()
    ]
    columns = {column for text in TABLES.values() for column in text.split()}
    derived = rf"DERIVED_FIELDalias\d|DERIVED_TABLEalias\d(\.({'|'.join(sorted(columns))}|"
    derived += r"DERIVED_FIELDalias\d))?"
    keywords = "|".join(KEYWORDS.split())
    signs = r"(MAX|MIN|COUNT|SUM|AVG)?\(|\)|,|=|<>|<=?|>=?|/|\*|\d+(\.\d+)?"
    words = "|".join([keywords, *sorted(columns), *names, derived, signs, r'"[^"\n]{1,40}"'])
    return rf"SELECT( ({words}))+ ;"


QUERY = _query()


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.name = "smollm2_geoquery"
    config.backbone = "$ADAPTLAB_SMOLLM2"
    config.task = ConfigDict()
    config.task.source = "geoquery"
    config.task.file = "$ADAPTLAB_SHARED/data/text2sql/geography.json"
    config.task.templates = ("Question: {question}\nSQL:",)
    config.task.format = QUERY
    config.task.decoding = dict(max_new_tokens=192)
    config.regimes = ("500",)
    config.seeds = 3
    config.search_seeds = 1
    config.max_dev = 48

    config.schedule = ConfigDict()
    config.schedule.steps = 150
    config.schedule.batch_size = 8
    config.schedule.eval_every = 75

    lora = dict(name="lora", rank=16, alpha=32.0, targets=(r"(attention|mlp)/.*",))
    config.approaches = (
        *_free_and_constrained(dict(name="few-shot prompt", demonstrations=8)),
        *_free_and_constrained(trained("LoRA", lora, (3e-4, 1e-3))),
        *_free_and_constrained(trained("full fine-tuning", dict(name="full"), (3e-5, 1e-4))),
    )
    return config


def _free_and_constrained(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The row, and the same row with constrained decoding."""
    return [row, {**row, "name": f"{row['name']}, constrained", "constrained": True}]
