from pathlib import Path

import datasets
import pytest

from research.common.config import build_named
from research.common.errors import InputError
from research.tasks import TASKS
from research.tasks.data_checks import task_data_report, warnings
from research.tasks.datasets.file_task import FileTask
from research.tasks.sampling import Regime, draw

ROWS = [(f"text {i} ", str(i % 2)) for i in range(8)]


def write(path: Path, rows: list[tuple[str, ...]], header: str = "text\tlabel") -> str:
    path.write_text("\n".join([header, *("\t".join(row) for row in rows)]) + "\n")
    return str(path)


@pytest.fixture
def settings(tmp_path: Path) -> dict:
    return {
        "name": "mine",
        "train": write(tmp_path / "train.tsv", ROWS),
        "test": write(tmp_path / "test.tsv", [("NA", "1"), ('"007', "0")]),
        "templates": "Review: {text}\nSentiment:",
        "verbalizer": {"1": "good", "0": "bad"},
    }


def test_a_task_from_files(settings: dict):
    task = FileTask(**settings).load()
    assert task.name == "mine" and task.labels == ("1", "0") and task.metric == "accuracy"
    assert [example.fields for example in task.test] == [{"text": "NA"}, {"text": '"007'}]
    assert [example.label for example in task.test] == ["1", "0"]
    assert task.train[3].fields == {"text": "text 3"}
    assert task.verbalizer.target("0") == " bad\n"
    assert len(draw(task, Regime.parse("2-shot"), 0).train) == 4


def test_it_is_built_from_a_config(settings: dict):
    values = settings | {"kind": "file", "templates": ["{text}:", "{text}?"], "end": "."}
    task = build_named(TASKS, values, "config.task", "kind").load()
    assert [template.text for template in task.templates] == ["{text}:", "{text}?"]
    assert task.verbalizer.target("0") == " bad."
    with pytest.raises(InputError, match="did you mean 'label'"):
        build_named(TASKS, values | {"labels": "x"}, "config.task", "kind")


def test_a_label_of_several_texts_and_a_template_of_several_lines(settings: dict):
    template = (
        "Say whether the critic liked the film.\n\nReview: {text}\n\nAnswer with one word.\nAnswer:"
    )
    texts = {"1": ["good", "great"], "0": "bad"}
    values = settings | {"kind": "file", "templates": [template], "verbalizer": texts}
    task = build_named(TASKS, values, "config.task", "kind").load()
    assert task.verbalizer.all("1") == ("good", "great") and task.labels == ("1", "0")
    filled = task.templates[0].fill({"text": "fine"})
    assert filled == template.replace("{text}", "fine")
    with pytest.raises(InputError, match=r"verbalizer\['1'\] is 1: .* a sequence"):
        build_named(TASKS, values | {"verbalizer": {"1": 1, "0": "bad"}}, "task", "kind")


def test_without_words_for_them_columns_and_labels_speak_for_themselves(settings: dict):
    del settings["templates"], settings["verbalizer"]
    task = FileTask(**settings).load()
    assert [template.fill({"text": "fine"}) for template in task.templates] == [
        "fine\nlabel:",
        "text: fine\nlabel:",
        "text: fine\nThe label is",
    ]
    assert task.labels == ("0", "1")
    assert [task.verbalizer.target(label) for label in task.labels] == [" 0\n", " 1\n"]


def test_white_space_is_kept_on_demand(settings: dict):
    task = FileTask(**settings, strip=False).load()
    assert task.train[3].fields == {"text": "text 3 "}


def test_quotes_are_read_on_demand(settings: dict, tmp_path: Path):
    settings |= {"test": write(tmp_path / "q.tsv", [('"a\tb"', "1")])}
    assert FileTask(**settings, quoting=True).load().test[0].fields == {"text": "a\tb"}


def test_all_splits_are_read(settings: dict, tmp_path: Path):
    settings |= {"dev": write(tmp_path / "d.tsv", [("d", "0")]), "metric": "macro_f1"}
    settings |= {"ood": write(tmp_path / "o.tsv", [("o", "1")])}
    task = FileTask(**settings).load()
    assert task.metric == "macro_f1"
    assert task.dev[0].fields == {"text": "d"} and task.ood[0].fields == {"text": "o"}


def test_groups_and_other_words_are_columns_of_test(settings: dict, tmp_path: Path):
    rows = [("fine", "1", "good", "old"), ("sad", "0", "not glad", "new")]
    settings |= {"test": write(tmp_path / "t.tsv", rows, "text\tlabel\tother\tage")}
    plain = FileTask(**settings).load()
    task = FileTask(**settings, group="age", paraphrase="other").load()
    assert (plain.groups, plain.paraphrases) == ((), ()) and task.test == plain.test
    assert task.groups == ("old", "new") and task.checksum != plain.checksum
    assert [example.fields for example in task.paraphrases] == [
        {"text": "good"},
        {"text": "not glad"},
    ]
    with pytest.raises(InputError, match="'era': "):
        FileTask(**settings, group="era").load()
    with pytest.raises(InputError, match="a column for each of text"):
        FileTask(**settings, paraphrase=("other", "age")).load()


def test_several_columns_without_a_header(settings: dict, tmp_path: Path):
    file = write(tmp_path / "pairs.csv", [('"a, b",c', "1"), ("d,e", "0")], header='"f",g\t1')
    settings |= {"train": file, "test": file, "delimiter": ","}
    Path(file).write_text('1,"a, b",c\n0,d,e\n')
    settings |= {"columns": ("label", "first", "second"), "text": ("first", "second")}
    task = FileTask(**settings | {"templates": "{first} / {second}:"}).load()
    assert [task.templates[0].fill(e.fields) for e in task.train] == ["a, b / c:", "d / e:"]


def test_a_dataset_folder(settings: dict, tmp_path: Path):
    features = datasets.Features(
        text=datasets.Value("string"), label=datasets.ClassLabel(names=["neg", "pos"])
    )
    data = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]}, features=features)
    (tmp_path / "hub").mkdir()
    for split in ("train", "test"):
        data.to_parquet(tmp_path / "hub" / f"{split}.parquet")
    settings |= {"path": str(tmp_path / "hub"), "train": "train", "test": "test"}
    task = FileTask(**settings | {"verbalizer": {"neg": "bad", "pos": "good"}}).load()
    assert [example.label for example in task.train] == ["neg", "pos"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"test": None}, "test is None: a file or split to test on is needed"),
        ({"text": "tekst", "templates": "{tekst}:"}, "'tekst': did you mean 'text'"),
        ({"label": "labl"}, "'labl': did you mean 'label'"),
        ({"text": ("text", "label")}, "not the label's column"),
        ({"text": ()}, "at least one column"),
        ({"text": ("text", "text")}, "at least one column, each once"),
        ({"templates": ("{text}:", "{text}:")}, "at least one template, each once"),
        ({"templates": "{txt}:"}, "no column 'txt'; did you mean 'text'"),
        ({"templates": ()}, "at least one template"),
        ({"verbalizer": {"0": "bad", "1": "bad"}}, "label '0' has this text"),
        ({"verbalizer": {"0": "bad", "1": ""}}, "not empty"),
        (
            {"verbalizer": {"0": "bad", "1": "ok", "2": "good"}},
            r"verbalizer\['2'\] .* there are '0', '1'",
        ),
        ({"verbalizer": {"0": "bad"}}, r"labels of train is \['1'\]: .* has texts for '0'"),
        ({"metric": "f1"}, "allowed are accuracy, macro_f1"),
    ],
)
def test_mistakes_in_a_config_are_named(settings: dict, change: dict, reason: str):
    with pytest.raises(InputError, match=reason):
        FileTask(**settings | change).load()


@pytest.mark.parametrize("split", ["train", "test", "dev", "ood"])
def test_bad_splits_are_named(settings: dict, tmp_path: Path, split: str):
    empty = write(tmp_path / "empty.tsv", [])
    with pytest.raises(InputError, match="empty.tsv': it has no examples"):
        FileTask(**settings | {split: empty}).load()
    blank = write(tmp_path / "blank.tsv", [*ROWS, (" ", "1"), ("", "0")])
    with pytest.raises(
        InputError, match="2 of 10 rows are empty there, the first is row 9; fill them, or skip"
    ):
        FileTask(**settings | {split: blank}).load()
    unknown = write(tmp_path / "unknown.tsv", [*ROWS, ("a", "2"), ("b", "3")])
    with pytest.raises(InputError, match=rf"labels of {split} .*\['2', '3'\]"):
        FileTask(**settings | {split: unknown}).load()


def test_real_data_is_read_as_it_is(shared: Path):
    task = FileTask(
        name="sst2",
        train=str(shared / "data/sst2/train.tsv"),
        test=str(shared / "data/sst2/dev.tsv"),
        text="sentence",
        templates="Review: {sentence}\nSentiment:",
        verbalizer={"0": "negative", "1": "positive"},
    ).load()
    assert (len(task.train), len(task.test)) == (67349, 872)
    assert task.train[0].fields["sentence"] == "hide new secretions from the parental units"
    split = draw(task, Regime.parse("16-shot"), 0)
    assert (len(split.train), len(split.dev)) == (32, 32)


def test_rows_with_an_empty_cell_are_skipped_by_a_setting(settings: dict, tmp_path: Path):
    rows = [*ROWS, (" ", "1"), ("a text", ""), ("more", "1")]
    whole = FileTask(**settings).load()
    values = settings | {"train": write(tmp_path / "gaps.tsv", rows)}
    with pytest.raises(InputError, match="gaps.tsv is 'text': 1 of 11 rows are empty there, .* 9"):
        FileTask(**values).load()
    task = FileTask(**values, empty="skip").load()
    assert task.train[:-1] == whole.train and task.train[-1].fields == {"text": "more"}
    assert task.test == whole.test and task.skipped == {"train": (9, 10)}
    told = "2 of 11 rows of train are skipped since a cell is empty or wrong: 9, 10"
    assert told in warnings(task_data_report(task))
    assert not any("skipped" in text for text in warnings(task_data_report(whole)))


def test_labels_that_are_empty_name_file_and_row(settings: dict, tmp_path: Path):
    values = settings | {"test": write(tmp_path / "gap.tsv", [("a", "1"), ("b", "")])}
    with pytest.raises(InputError, match="gap.tsv is 'label': 1 of 2 rows .*first is row 2"):
        FileTask(**values).load()


def test_a_column_that_no_template_can_name(tmp_path: Path):
    file = write(tmp_path / "a.tsv", ROWS, header="Review: body\tlabel")
    values = {"name": "mine", "train": file, "test": file, "text": "Review: body"}
    with pytest.raises(InputError, match="column is 'Review: body': no template can name"):
        FileTask(**values).load()


def test_floats_of_a_dataset_are_labels(tmp_path: Path):
    columns = {"text": [f"text {i}" for i in range(8)], "label": [float(i % 2) for i in range(8)]}
    data = datasets.Dataset.from_dict(columns)
    data.to_parquet(tmp_path / "train.parquet")
    data.select(range(4)).to_parquet(tmp_path / "test.parquet")
    texts = {"0.0": "bad", "1.0": "good"}
    splits = {"train": "train", "test": "test", "path": str(tmp_path)}
    task = FileTask(name="mine", **splits, verbalizer=texts).load()
    assert task.labels == ("0.0", "1.0") and task.test[1].label == "1.0"
