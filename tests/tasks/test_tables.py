import bz2
import csv
import gzip
import json
import lzma
from pathlib import Path

import datasets
import numpy as np
import pytest

from research.common.errors import InputError
from research.tasks.datasets import tables
from research.tasks.datasets.hub import read_dataset
from research.tasks.datasets.tables import read_file

ODD = ["NA", "null", "None", "nan", "", "007", "1.0", "1e5", "true", "2020-01-01", "ü\u2028€", "#x"]
ODD += ['say "no"', '5" disk', "it's", "a,b", "back\\slash", "a  b ", "x" * 200_000]


def write(path: Path, content: str | bytes) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def write_csv(path: Path, texts: list[str]) -> str:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *((text, "0") for text in texts)])
    return str(path)


def test_csv_gives_back_the_same_strings(tmp_path: Path):
    texts = [*ODD, '"quoted"', "two\nlines", "two\r\nlines"]
    table = read_file(write_csv(tmp_path / "a.csv", texts))
    assert table.columns == ("text", "label")
    assert table.column("text") == texts


def test_tsv_gives_back_the_same_strings(tmp_path: Path):
    texts = [*ODD, '"', '"open', '"quoted"', "carriage\rreturn"]
    lines = ["text\tlabel", *(f"{text}\t0" for text in texts)]
    table = read_file(write(tmp_path / "a.tsv", "\n".join(lines) + "\n"))
    assert table.column("text") == texts


def test_json_lines_give_back_the_same_strings(tmp_path: Path):
    texts = [*ODD, '"open', "two\nlines"]
    for escaped in (True, False):
        lines = [json.dumps({"text": text}, ensure_ascii=escaped) for text in texts]
        table = read_file(write(tmp_path / "a.jsonl", "\n".join(lines)))
        assert table.column("text") == texts
    whole = write(tmp_path / "a.json", json.dumps([{"text": text} for text in texts], indent=1))
    assert read_file(whole).column("text") == texts


def test_numbers_and_booleans_in_json_keep_their_form(tmp_path: Path):
    file = write(tmp_path / "a.jsonl", '{"x": 7}\n{"x": 1.0}\n\n{"x": 1e5}\n{"x": true}\n')
    assert read_file(file).column("x") == ["7", "1.0", "1e5", "true"]


@pytest.mark.parametrize("suffix", ["gz", "xz", "bz2"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_compressed_files_byte_order_marks_and_line_ends(tmp_path: Path, suffix: str, ending: str):
    pack = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}[suffix]
    content = ("\ufeff" + ending.join(["a\tb", "1\t2", "", "3\t4", ""])).encode()
    table = read_file(write(tmp_path / f"a.tsv.{suffix}", pack(content)))
    assert table.columns == ("a", "b") and table.column("b") == ["2", "4"]
    with pytest.raises(InputError, match="cannot be read"):
        read_file(write(tmp_path / f"cut.tsv.{suffix}", pack(content * 99)[:-9]))


@pytest.mark.parametrize("suffix", ["gz", "xz", "bz2"])
def test_a_changed_byte_of_a_compressed_file_is_one_sentence(tmp_path: Path, suffix: str):
    """Also where the format's checksum is not reached."""
    pack = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}[suffix]
    content = pack("".join(f"{i} {i * i}\n" for i in range(999)).encode())
    draw = np.random.default_rng(0)
    refused = 0
    for place in draw.integers(len(content), size=60):
        damaged = bytearray(content)
        damaged[place] ^= 1 << draw.integers(8)
        try:
            read_file(write(tmp_path / f"a.tsv.{suffix}", bytes(damaged)), columns=("x",))
        except InputError:
            refused += 1
    assert refused >= 55  # a few bytes, as of the time in the header, mean nothing


def test_columns_delimiter_and_quoting_can_be_given(tmp_path: Path):
    file = write(tmp_path / "a.txt", 'x;"y;z"\n')
    assert read_file(file, columns=("a", "b"), delimiter=";").column("b") == ["y;z"]
    table = read_file(file, columns=("a", "b", "c"), delimiter=";", quoting=False)
    assert table.column("b") == ['"y']


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv", "text,label\na,b,0\n", r"row 1 has 3 cells, and there are 2 columns \(text, lab"),
        ("a.tsv", "text\tlabel\na\t0\nb\n", "row 2 has 1 cells"),
        ("a.csv", 'text,label\n"open,0\nb,1\n', "line 3: unexpected end of data; a cell in quotes"),
        ("a.csv", 'text,label\n"a" b,0\n', "line 2: ',' expected"),
        ("a.csv", "text,text\na,0\n", "name of its own"),
        (
            "a.csv",
            b"text,label\ra,0\r",
            "end with a carriage return alone; save it with line feeds",
        ),
        ("a.csv", b"text,label\n\xff\xfe,0\n", "not UTF-8"),
        ("a.jsonl", '{"text": "a"}\n{"text": \n', "line 2 is not JSON"),
        ("a.jsonl", "[" * 100_000, "line 1 is not JSON"),
        ("a.jsonl", '{"text": "a", "text": "b"}', "an object names 'text' twice"),
        ("a.jsonl", '{"text": "\\ud800"}', "half of a surrogate pair"),
        ("a.jsonl", '{"text": "a"}\n3\n', "row 2 is not an object"),
        ("a.xlsx", "", "ends in none of .csv, .tsv, .jsonl"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, name: str, content: str | bytes, reason: str):
    with pytest.raises(InputError, match=reason):
        read_file(write(tmp_path / name, content))


def test_a_missing_file_is_named_with_the_nearest(tmp_path: Path):
    write(tmp_path / "train.csv", "text,label\n")
    with pytest.raises(InputError, match="no such file; the nearest name there is 'train.csv'"):
        read_file(str(tmp_path / "tran.csv"))
    with pytest.raises(InputError, match="no such file"):
        read_file(str(tmp_path / "nowhere" / "a.csv"))


def test_what_is_no_file_and_what_cannot_be_opened(tmp_path: Path, monkeypatch):
    with pytest.raises(InputError, match="a file is expected, this is something else"):
        read_file(str(tmp_path))

    def refuse(*args: object, **how: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setitem(tables._OPENERS, ".gz", refuse)
    with pytest.raises(InputError, match="it cannot be read .*Permission denied"):
        read_file(write(tmp_path / "a.csv.gz", ""))


@pytest.mark.parametrize("delimiter", ["||", '"', "\n"])
def test_delimiters_that_make_no_cells(tmp_path: Path, delimiter: str):
    file = write(tmp_path / "a.csv", "text||label\na||0\n")
    with pytest.raises(InputError, match="delimiter is .*: one character is expected"):
        read_file(file, delimiter=delimiter)
    assert read_file(file, delimiter="||", quoting=False).column("label") == ["0"]


def test_missing_columns_and_values_are_named(tmp_path: Path):
    table = read_file(write(tmp_path / "a.jsonl", '{"text": "a"}\n{"txt": 1}\n{"text": null}\n'))
    with pytest.raises(InputError, match="is 'test': did you mean 'text'"):
        table.column("test")
    with pytest.raises(InputError, match="2 of 3 rows hold no text here, the first is row 2"):
        table.column("text")
    table = read_file(write(tmp_path / "b.jsonl", '{"text": ["a"]}'))
    with pytest.raises(InputError, match=r"row 1 with \['a'\]"):
        table.column("text")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A parquet dataset with class names and a column of another kind."""
    path = tmp_path_factory.mktemp("dataset")
    features = datasets.Features(
        text=datasets.Value("string"),
        label=datasets.ClassLabel(names=["no", "yes"]),
        idx=datasets.Value("int32"),
        score=datasets.Value("float32"),
    )
    columns = {"text": ODD, "label": [0, 1] * 9 + [-1], "idx": range(19)}
    columns["score"] = [0.1] * 17 + [1.0, -2.5e-7]
    data = datasets.Dataset.from_dict(columns, features=features)
    data.to_parquet(path / "train.parquet")
    data.select(range(10)).to_parquet(path / "test.parquet")
    return path


def test_a_dataset_folder_gives_strings_and_class_names(folder: Path, capfd, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder.parent / "cache")
    before = sorted(folder.rglob("*"))
    capfd.readouterr()
    wanted = ("text", "label", "idx", "missing", "score")
    tables = read_dataset(str(folder), None, {"train": "train", "dev": "train[:10%]"}, wanted)
    assert tables["train"].column("text") == ODD
    assert tables["train"].column("idx")[:3] == ["0", "1", "2"]
    assert tables["dev"].column("label") == ["no", "yes"]
    with pytest.raises(InputError, match="1 of 19 rows hold no text here, the first is row 19"):
        tables["train"].column("label")
    with pytest.raises(InputError, match="allowed are idx, label, score, text"):
        tables["train"].column("missing")
    # The text of a float32, not that of the double nearest to it.
    assert tables["train"].column("score") == ["0.1"] * 17 + ["1.0", "-2.5e-07"]
    assert sorted(folder.rglob("*")) == before and not (folder.parent / "cache").exists()
    assert "".join(capfd.readouterr()) == ""


def test_progress_bars_are_back_afterwards(folder: Path):
    read_dataset(str(folder), None, {"train": "train"}, ("text",))
    assert not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        read_dataset(str(folder), None, {"train": "train"}, ("text",))
        assert datasets.are_progress_bars_disabled()
    finally:
        datasets.enable_progress_bars()


def test_a_folder_of_csv_files_keeps_its_strings(tmp_path: Path):
    texts = [text for text in ODD if len(text) < 1000]
    write_csv(tmp_path / "train.csv", texts)
    write_csv(tmp_path / "test.csv", ["007", "1"])
    splits = {"train": "train", "test": "test"}
    tables = read_dataset(str(tmp_path), None, splits, ("text", "label"))
    assert tables["train"].column("text") == texts
    assert tables["test"].column("text") == ["007", "1"]


def test_a_saved_dataset_is_read(tmp_path: Path):
    data = datasets.Dataset.from_dict({"text": ["a", "NA"]})
    datasets.DatasetDict(train=data).save_to_disk(tmp_path / "saved")
    tables = read_dataset(str(tmp_path / "saved"), None, {"train": "train"}, ("text",))
    assert tables["train"].column("text") == ["a", "NA"]


def test_a_broken_dataset_says_why(tmp_path: Path):
    write(tmp_path / "train.parquet", b"PAR1 and nothing else")
    with pytest.raises(InputError, match="(?i)parquet"):
        read_dataset(str(tmp_path), None, {"train": "train"}, ("text",))


def test_what_datasets_cannot_find_is_an_input_error(folder: Path, monkeypatch):
    with pytest.raises(InputError, match="'validation'|\"validation\""):
        read_dataset(str(folder), None, {"dev": "validation"}, ("text",))
    with pytest.raises(InputError, match="'large' not found"):
        read_dataset(str(folder), "large", {"dev": "train"}, ("text",))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="path is 'nobody/nothing'"):
        read_dataset("nobody/nothing", None, {"train": "train"}, ("text",))
