"""Tables in LaTeX compile and fit, whatever their names are."""

from pathlib import Path

import pytest

from research.reporting.build import build_tables
from research.reporting.render.latex import SIZES, latex_layout, to_latex
from research.reporting.render.latex_characters import latex_character
from research.reporting.render.latex_height import PAGE, PageRoom
from research.reporting.render.latex_text import latex_text
from research.reporting.table import Table, TableCell
from tests.latex_documents import latex_problems

HOSTILE = (
    "\\foo{$",
    "\\end{tabular} & \\\\ % #1 ^^M ~ _",
    "[50%] *a* <b> | {c} \"d\" 'e' `f` ?` !` -- --- << >> ,,",
    "W" * 100,
    "-" * 300,
    "x_" * 150,
    "\\" * 90,
    "many ordinary words " * 15,
    "é ß ł Å ñ ő ç ž İ ø Æ",
    "Ą Ð þ ŋ",
    "λ = 0.1 → ∞ × µ ± ≥",
    "中文标签" * 10,
    "Привет, мир",
    "מבחן",
    "😀 👩‍🔬",
    "\u0301e a\u0301\u0323 \u200b \ufeff \u00a0",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢",
    "“quoted” ‘text’ … – —",
)


def hostile_table(name: str) -> Table:
    cells = (TableCell(name, best=True), TableCell("98.0 [95.1, 99.2]"), TableCell("1"))
    return Table(
        title=name,
        heads=((name, name), (name, "500"), ("", name)),
        scores=2,
        rows=((name, cells), ("plain", cells)),
        baselines=((name, cells),),
        notes=(name, "plain"),
    )


def tall_table(rows: int, notes: int) -> Table:
    cells = tuple(TableCell("98.0 [95.1, 99.2]") for _ in range(2))
    return Table(
        title="tall",
        heads=(("a", "16-shot"), ("a", "500")),
        scores=2,
        rows=tuple((f"row {i}", cells) for i in range(rows)),
        baselines=(("majority class", cells),),
        notes=tuple(f"note {i} with some words in it" for i in range(notes)),
    )


@pytest.mark.parametrize("columns, document", [(1, 2), (2, 1), (2, 2)])
def test_hostile_names_compile_and_fit(columns: int, document: int, tmp_path: Path):
    layout = latex_layout(columns)
    tables = [to_latex(hostile_table(name), layout) for name in HOSTILE]
    assert latex_problems(tables, document, tmp_path) == []


@pytest.mark.parametrize("columns, document", [(1, 2), (2, 1), (2, 2)])
def test_tall_tables_and_many_notes_fit(columns: int, document: int, tmp_path: Path):
    layout = latex_layout(columns)
    shapes = ((3, 2), (45, 1), (45, 40), (55, 9), (200, 2), (2, 150))
    tables = [to_latex(tall_table(rows, notes), layout) for rows, notes in shapes]
    assert latex_problems(tables, document, tmp_path) == []


@pytest.mark.parametrize("columns, document", [(1, 2), (2, 1), (2, 2)])
def test_the_tables_of_a_results_folder_compile(finished, columns, document, tmp_path: Path):
    files = build_tables(finished, columns)[1]
    tables = [data.decode() for name, data in files.items() if name.endswith(".tex")]
    assert len(tables) > 3
    assert latex_problems(tables, document, tmp_path) == []


def test_rows_and_notes_in_parts_are_all_there():
    table = tall_table(200, 150)
    parts = PageRoom(345, 345, 200, SIZES).parts(table)
    assert len(parts) > 3 and parts[0].title == "tall"
    assert {part.title for part in parts[1:]} == {"tall (continued)"}
    assert sum((part.rows for part in parts), ()) == table.rows
    assert sum((part.baselines for part in parts), ()) == table.baselines
    assert sum((part.notes for part in parts), ()) == table.notes
    assert all(8 * (len(part.rows) + len(part.notes)) < PAGE for part in parts)
    [whole] = PageRoom(345, 345, 200, SIZES).parts(tall_table(20, 5))
    assert whole == tall_table(20, 5)


def test_characters_that_computer_modern_has_are_commands():
    assert latex_text("é ß λ “a”", 7, 100) == r"\'{e} \ss{} $\lambda$ ``a''"
    assert latex_text("e\u0301", 7, 100) == r"\'{e}"
    assert latex_text("a--b ?`", 7, 100) == "a-{}-b ?{}`"


def test_other_characters_are_shown_by_engines_that_have_them():
    assert latex_character("中") == r"\otherchar{中}{4E2D}"
    text = to_latex(hostile_table("中"))
    assert r"\providecommand{\otherchar}" in text
    assert r"\otherchar" not in to_latex(tall_table(3, 2))


def test_long_words_may_break_and_others_not():
    assert latex_text("classification", 7, 100) == "classification"
    assert latex_text("m" * 40, 7, 100).replace(r"\allowbreak{}", "") == "m" * 40
    assert latex_text("m" * 40, 7, 100).count(r"\allowbreak{}") == 5
