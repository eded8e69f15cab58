"""Generation tasks: their examples, what they are measured by, what is refused, and their rows."""

import csv
import json
from dataclasses import replace

import pytest

from research.common import user_regex
from research.common.errors import InputError
from research.tasks import TASKS
from research.tasks.datasets.text_files import TextFileTask
from research.tasks.decoding import Decoding
from research.tasks.encoding.demonstrations import demonstrations
from research.tasks.encoding.text_encoder import TextEncoder
from research.tasks.metrics.sql import Database
from research.tasks.prompts.template import Template
from research.tasks.sampling import Regime, draw
from research.tasks.text_task import FreeText, TextTask, grouped
from tests import films
from tests.tasks.encoders import prefix_ids


def examples(begin, end):
    return grouped(({"text": f"text {i}"}, [f"say {i}", f"or {i} more"]) for i in range(begin, end))


def task(**changes) -> TextTask:
    whole = dict(
        templates=(Template("{text}\nSay:"),),
        verbalizer=FreeText(),
        train=examples(0, 12),
        test=examples(12, 15),
    )
    return TextTask("t", (), **{**whole, **changes})


def test_equal_inputs_are_one_example_with_all_references():
    pairs = [("A  b", ["x", "y"]), ("c", ["z"]), ("a b", ["y", "w"])]
    found = grouped(({"text": text}, references) for text, references in pairs)
    assert [one.label for one in found] == ["x", "z"]
    assert [one.references for one in found] == [("x", "y", "y", "w"), ("z",)]


def test_a_draw_counts_inputs_and_splits_share_none():
    for regime in ("4", "4-shot"):
        split = draw(task(train=examples(0, 14)), Regime.parse(regime), seed=0)
        assert len(split.train) == len(split.dev) == 4
        texts = [one.fields["text"] for one in (*split.train, *split.dev)]
        # 12 and 13 stand in test.
        assert len(set(texts)) == 8 and not {"text 12", "text 13"} & set(texts)


def test_which_metrics_there_are(tmp_path):
    (tmp_path / "db.sql").write_text("CREATE TABLE a (b); INSERT INTO a VALUES (1);")
    select = grouped([({"text": f"{i}"}, ["SELECT b FROM a"]) for i in range(3)])
    always = ["exact_match", "f1", "rouge_l"]
    assert list(task().item_metrics) == always
    assert list(task(format="x+").item_metrics) == [*always, "format"]
    assert list(task(metric="sql_match").item_metrics) == [*always, "sql_match"]
    whole = task(train=select, test=select, database=Database(str(tmp_path / "db.sql")))
    found = whole.judged(
        ["SELECT max(b) FROM a", "", "select b from a;"], [("SELECT b FROM a",)] * 3
    )
    assert list(found.items["sql_execution"]) == [1, 0, 1]
    assert list(found.items["sql_match"]) == [0, 0, 1]
    assert found.metrics()["sql_execution"] == pytest.approx(2 / 3)


def test_the_format_is_of_the_whole_output():
    found = task(format=r"\d+ \w+").judged(["12 ab", "12 ab!", "", "x 12 ab"], [("y",)] * 4)
    assert list(found.items["format"]) == [1, 0, 0, 0]


def test_a_format_that_takes_for_ever_is_not_kept(monkeypatch):
    monkeypatch.setattr(user_regex, "SECONDS", 0.05)
    outputs = ["a" * 9, "a" * 60 + "b"]  # the second could be cut into parts in 10^12 ways
    found = task(format="(a|aa)+").judged(outputs, [("y",)] * 2)
    assert list(found.items["format"]) == [1, 0]


def test_what_makes_a_run_is_in_the_checksum():
    changes = [
        dict(decoding=Decoding(max_new_tokens=9)),
        dict(decoding=Decoding(no_repeat_ngram_size=2)),
        dict(decoding=Decoding(no_repeat_ngram_size=2, no_repeat_in_prompt=False)),
        dict(format="a"),
        dict(metric="f1"),
        dict(verbalizer=FreeText(end="")),
        dict(train=examples(0, 11)),
    ]
    sums = [task().checksum, *(replace(task(), **change).checksum for change in changes)]
    assert len(set(sums)) == len(sums)


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(metric="blue"), "metric is 'blue': did you mean 'bleu'.* allowed are bleu, chrf, en"),
        (
            dict(metric="accuracy"),
            "allowed are bleu, chrf, entity_f1, exact_match, f1, format, referent, relation",
        ),
        (
            dict(metric="bleu", train=grouped([({"text": "a"}, ["好的呀"])])),
            "no text of train has four words, so it is always 0",
        ),
        (dict(metric="format"), "the metric 'format' needs a regular expression"),
        (dict(metric="sql_execution"), "needs a database; 'sql_match' compares texts"),
        (dict(format="(a"), "format is '\\(a': it is no regular expression"),
        (dict(test=grouped([({"text": "a"}, ["b\nc"])])), "example 1 of test .* contains '\\\\n'"),
        (dict(test=grouped([({"text": "a"}, [" "])])), "may not be empty"),
        (dict(test=grouped([({"text": "a"}, [])])), "has references, and the first is its label"),
        (dict(templates=(Template("{txt}"),)), "no column 'txt'; did you mean 'text'"),
    ],
)
def test_what_does_not_fit_together(change, message):
    with pytest.raises(InputError, match=message):
        task(**change)


def test_a_reference_that_the_database_refuses(tmp_path):
    (tmp_path / "db.sql").write_text("CREATE TABLE a (b);")
    with pytest.raises(InputError, match="example 1 of train .*this query fails in .*db.sql"):
        task(database=Database(str(tmp_path / "db.sql")))


@pytest.fixture(scope="module")
def tokenizer():
    return films.tokenizer()


def encoder(tokenizer, **how) -> TextEncoder:
    fields = dict(room=64, most=12) | how
    return TextEncoder(tokenizer, task().templates[0], FreeText(), (), **fields)


def test_rows_to_train_on_and_to_answer(tokenizer):
    one, shown = encoder(tokenizer), examples(0, 3)
    rows, asked = one.training(shown), one.examples(shown)
    assert len(rows.length) == 6 and len(asked.length) == 3
    assert rows.references == tuple(e.references for e in shown for _ in range(2))
    assert asked.references == tuple(e.references for e in shown)
    written = [
        tokenizer.decode(tokens[start:length])
        for tokens, start, length in zip(rows.tokens, rows.prompt_length, rows.length, strict=True)
    ]
    assert written == [f" {text}\n" for example in shown for text in example.references]
    assert all(rows.tokens[i, rows.length[i] - 1] == one.ending[0] for i in range(6))


def test_every_row_keeps_room_for_a_text(tokenizer):
    shown = examples(0, 3)
    long = max(encoder(tokenizer).lengths(shown)) - 12
    assert encoder(tokenizer, room=long + 12).examples(shown).cut == 0
    with pytest.raises(InputError, match="prompts are longer than"):
        encoder(tokenizer, room=long + 11).examples(shown)


def test_demonstrations_are_drawn_from_all(tokenizer):
    one = encoder(tokenizer, room=200)
    shown = demonstrations(one, examples(0, 6), room=200, seed=0, most=3)
    assert len({example.fields["text"] for example in shown}) == 3
    assert " say " in tokenizer.decode(prefix_ids(one, shown))


@pytest.mark.parametrize("route", ["masked", "head"])
def test_only_what_generates_is_asked(tokenizer, route):
    with pytest.raises(InputError, match="only causal and seq2seq backbones generate"):
        encoder(tokenizer, route=route)


def test_a_text_may_end_in_eos(tokenizer):
    ended = replace(encoder(tokenizer), verbalizer=FreeText(end=""))
    assert ended.ending == (tokenizer.eos_token_id,)


def write(path, *rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return str(path)


def test_own_files(tmp_path):
    rows = [("q", "a", "also"), ("x", "1", "one"), ("y", "2", ""), ("x", "uno", "")]
    files = dict(train=write(tmp_path / "a.csv", *rows), test=write(tmp_path / "b.csv", *rows))
    made = TextFileTask(name="n", text="q", target="a", references=("also",), **files).load()
    assert [one.references for one in made.train] == [("1", "one", "uno"), ("2",)]
    assert made.templates[1].text == "q: {q}\na:"
    with pytest.raises(InputError, match="did you mean 'also'"):
        TextFileTask(name="n", text="q", target="als", **files).load()
    with pytest.raises(InputError, match="neither text nor target"):
        TextFileTask(name="n", text="q", target="a", references=("a",), **files).load()
    files["test"] = write(tmp_path / "b.csv", *rows[:2], ("z", "", ""))
    with pytest.raises(InputError, match="1 of 2 rows are empty there"):
        TextFileTask(name="n", text="q", target="a", **files).load()


def test_e2e(shared):
    """The published counts of meaning representations and of pairs."""
    folder = str(shared / "data/e2e_nlg")
    made = TASKS["e2e_nlg"](folder=folder, train="devset.csv", dev=None).load()
    assert (len(made.train), len(made.test), made.pools.dropped) == (547, 630, 0)
    assert [sum(len(e.references) for e in s) for s in (made.train, made.test)] == [4672, 4693]
    part = TASKS["e2e_nlg"](folder=folder, train="devset.csv", most_test=5).load()
    assert len(part.test) == 5 and set(map(str, part.test)) < set(map(str, made.test))


@pytest.mark.parametrize(
    "change",
    [
        {"sentences": [{}]},
        {"sql": "SELECT 1"},
        {"sql": [1]},
        {"sentences": [{"text": 1, "variables": {}}]},
        {"sentences": [{"text": "q", "variables": []}]},
        {"sentences": [{"text": "q", "variables": {"q": 1}}]},
    ],
)
def test_a_file_of_another_form_than_geoquery_has(change, tmp_path):
    sentences = [{"text": "q", "variables": {}}]
    entry = {"sql": ["SELECT 1"], "question-split": "train", "sentences": sentences}
    (tmp_path / "odd.json").write_text(json.dumps([entry | change]))
    with pytest.raises(InputError, match="a file such as geography.json"):
        TASKS["geoquery"](file=str(tmp_path / "odd.json")).load()


def test_geoquery(shared):
    file = str(shared / "data/text2sql/geography.json")
    made = TASKS["geoquery"](file=file).load()
    assert (len(made.train), len(made.dev), len(made.test)) == (549, 49, 279)
    assert made.metric == "sql_match" and made.pools.dropped == 0
    assert made.train[0].fields == {"question": "what is the biggest city in nebraska"}
    assert '"nebraska"' in made.train[0].label and "state_name0" not in made.train[0].label
    other = TASKS["geoquery"](file=file, split="query").load()
    assert not {one.label for one in other.train} & {one.label for one in other.test}
