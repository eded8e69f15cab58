"""The data report as a table, and its warnings under the scores."""

import shutil

from research.records.data_report import DataReport, write_data_report
from research.reporting.build import build_tables, check_tables, write_tables
from research.tasks.data_checks import FlaggedRows, Lengths, SplitReport, TaskDataReport

CARDS = {"card numbers": FlaggedRows(2, (3, 70))}
TRAIN = SplitReport(
    rows=1200,
    labels={"negative": 1100, "positive": 100},
    repeated=FlaggedRows(12, tuple(range(1, 11))),
    personal=CARDS,
    lengths=Lengths(20.0, 50.4, 99, 64, FlaggedRows(1, (7,))),
)
TEST = SplitReport(200, {"negative": 100, "positive": 100}, shared=FlaggedRows(1, (9,)))
PARTS = {"train": TRAIN, "test": TEST}


def test_warnings_stand_under_the_table(finished, tmp_path):
    """Those of the data that the runs met; a report of other data says nothing."""
    folder = shutil.copytree(finished, tmp_path / "copy")
    without = build_tables(folder)[1]
    assert "data.md" not in without
    met, other = (
        TaskDataReport("sentiment", "sentiment", PARTS),
        TaskDataReport("topic_50%", "else", PARTS),
    )
    write_data_report(folder, DataReport("org/tiny", None, (met, other)))
    files = build_tables(folder)[1]
    table = files["table.md"].decode()
    (note,) = [line for line in table.splitlines() if line.startswith("- Data of")]
    assert note == (
        "- Data of sentiment, see data.json: the labels of train have 100 to 1100 rows; 12 of "
        "1200 rows of train repeat an earlier text; 2 rows of train seem to hold card numbers; 1 "
        "of 1200 prompts of train are longer than the 64 tokens that fit; 1 of 200 rows of test "
        "have a text that is also in train or dev, where it is never drawn."
    )
    assert table.replace(f"{note}\n", "") == without["table.md"].decode()
    lines = files["data.md"].decode().splitlines()
    assert [line.split(" | ")[1:] for line in lines[4:6]] == [
        ["1,200", "8.3–91.7", "20, 50, 99 of 64", "1", "12", *"00000", "2 |"],
        ["200", "50.0–50.0", "—", "—", "0", *"00100", "0 |"],
    ]
    assert (
        "- Rows of sentiment, train: repeated 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more; too long "
        "7; card numbers 3, 70." in files["data.md"].decode()
    )
    write_tables(folder)
    assert check_tables(folder) == []
    (folder / "data.json").unlink()
    assert check_tables(folder) == ["table.md", "table.tex", "page.html"]
