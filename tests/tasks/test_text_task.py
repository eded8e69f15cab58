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
from research.tasks.example import grouped
from research.tasks.metrics.sql import Database
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import FreeText
from research.tasks.sampling import Regime, draw
from research.tasks.text_task import TextTask
from tests import films
from tests.tasks.encoders import prefix_ids
from tests.tasks.text_tasks import examples, task


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


def solutions(begin: int, end: int):
    """Sums with a rationale, and the answer after a marker."""
    pairs = [({"text": f"{i} + 1"}, [f"#### {i + 1}"]) for i in range(begin, end)]
    return grouped(pairs, [[f"{i} and 1 make {i + 1}."] for i in range(begin, end)])


def sums(**changes) -> TextTask:
    fields = dict(train=solutions(0, 12), test=solutions(12, 15), answer=r"#### (\S+)")
    return task(**{**fields, "metric": "number", **changes})


def test_the_answer_is_compared():
    scored = sums().judged(["so #### 4", "#### 4.0 #### 5", "4", ""], [("a\n#### 4",)] * 4)
    assert scored.outputs == ("4", "5", "", "") and scored.references == (("4",),) * 4
    assert scored.generated == (("so #### 4",), ("#### 4.0 #### 5",), ("4",), ("",))
    assert list(scored.items["number"]) == list(scored.items["exact_match"]) == [1, 0, 0, 0]
    assert list(scored.items["answered"]) == [1, 1, 0, 0]
    assert scored.metrics()["answered"] == 0.5 and scored.timeouts == 0


def test_an_item_without_an_answer_scores_nothing():
    """By word F1 two texts without a word would be equal."""
    scored = sums(answer="#### (.*)", metric="f1").judged(["none"], [("#### the",)])
    assert list(scored.items["f1"]) == [0]


def test_the_vote_of_several_texts():
    samples = [("#### 4", "#### 5", "x", "#### 5.0"), ("x", "y", "z", "#### 7")]
    scored = sums().judged_votes(samples, [("#### 5",), ("#### 8",)])
    assert scored.outputs == ("5", "7") and list(scored.items["number"]) == [1, 0]
    assert list(scored.items["answered"]) == [0.75, 0.25] and scored.generated == tuple(samples)
    whole = task().judged_votes([("a b", "c", "a  b")], [("a b",)])
    assert whole.outputs == ("a b",) and "answered" not in whole.items
    assert list(whole.items["exact_match"]) == [1] and len(whole.generated[0]) == 3


def test_the_format_is_that_of_the_texts():
    formatted = sums(format=r"\w+ #### \d+")
    scored = formatted.judged_votes([("so #### 4", "#### 4")], [("#### 4",)])
    assert list(scored.items["format"]) == [0.5]


def test_a_task_without_an_answer_stays_as_it_was():
    scored = task().judged(["a", ""], [("a",), ("b", "c")])
    assert (scored.generated, scored.timeouts) == ((), 0)
    assert scored.outputs == ("a", "") and scored.references == (("a",), ("b", "c"))
    assert list(scored.items) == ["exact_match", "f1", "rouge_l"]


def test_numbers_without_a_pattern():
    words = grouped([({"text": "a"}, ["it is 4 km"])])
    scored = task(metric="number", train=words, test=words).judged(["4.0", "x"], [("4 km",)] * 2)
    assert list(scored.items["number"]) == [1, 0] == list(scored.items["answered"])
    assert scored.outputs == ("4.0", "")


def test_a_text_without_a_number_answers_no_number():
    scored = sums().judged(["#### 4\n#### x", "#### x"], [("#### 4",), ("#### x",)])
    assert scored.outputs == ("", "x") and list(scored.items["answered"]) == [0, 1]
    assert list(scored.items["number"]) == [0, 1]


def test_searches_that_take_too_long_are_counted(monkeypatch):
    monkeypatch.setattr(user_regex, "SECONDS", 0.05)
    slow = sums(answer="#### ((?:a|aa)+)$", train=letters(0, 9), test=letters(9, 12), metric="f1")
    scored = slow.judged(["#### aa", "#### " + "a" * 60 + "b"], [("#### aa",)] * 2)
    assert scored.timeouts == 1 and list(scored.items["answered"]) == [1, 0]


def letters(begin, end):
    return grouped([({"text": f"{i}"}, ["#### aa"]) for i in range(begin, end)])


def test_a_rationale_stands_before_the_answer():
    [example] = solutions(3, 4)
    reasoned = sums().with_rationale(example)
    assert reasoned.label == "3 and 1 make 4. #### 4" and reasoned.references == (reasoned.label,)
    ended = sums(verbalizer=FreeText(end="")).with_rationale(example)
    assert ended.label == "3 and 1 make 4.\n#### 4"  # a line break ends no text
    bare = replace(example, rationales=())
    assert sums().with_rationale(bare) is bare
    assert sums().has_rationales and not task().has_rationales


def test_rationales_are_grouped_with_their_references():
    pairs = [({"text": "a"}, ["x", "y"]), ({"text": "b"}, ["z"]), ({"text": "A"}, ["w"])]
    merged = grouped(pairs, [["1", "2"], ["3"], ["4"]])
    assert [one.references for one in merged] == [("x", "y", "w"), ("z",)]
    assert [one.rationales for one in merged] == [("1", "2", "4"), ("3",)]


def test_test_examples_need_no_rationale():
    bare = tuple(replace(example, rationales=()) for example in solutions(12, 15))
    assert sums(test=bare).has_rationales
    [row] = set(map(len, (sums(test=bare).with_rationale(bare[0]).references,)))
    assert row == 1


def test_answers_and_rationales_are_in_the_checksum():
    other = tuple(replace(e, rationales=("other",)) for e in solutions(0, 12))
    changes = [{}, dict(answer=r"### (\S+)"), dict(train=other)]
    assert len({sums(**change).checksum for change in changes}) == 3


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(answer="####"), "answer is '####': it has no group"),
        (dict(answer="(a"), "answer is '\\(a': it is no regular expression"),
        (dict(answer="(a){10000000}"), "at most 20,000 characters are allowed"),
        (dict(answer="is (.*)"), "answer is 'is .*': it finds no answer in example 1 of train"),
        (dict(answer=None), "answer is None: a task with rationales needs it"),
        (dict(answer=r"^#### (\S+)"), "it finds no answer in example 1 of train after its ration"),
        (dict(answer=r"^\D*(\d+)"), "it finds '0' in example 1 of train after .*, and '1' alone"),
        (
            dict(train=(*solutions(0, 3), *letters(8, 9)), answer="#### (.*)"),
            "example 4 of train is '#### aa': it has no rationale, which others have",
        ),
        (
            dict(train=(replace(solutions(0, 1)[0], rationales=("a", "b")),)),
            "rationales of example 1 of train is .*: one for each of the 1 references",
        ),
        (
            dict(train=(replace(solutions(0, 1)[0], rationales=("a\nb",)),)),
            "example 1 of train after its rationale is 'a.nb #### 1': it contains",
        ),
    ],
)
def test_answers_that_cannot_be_found(change, message):
    with pytest.raises(InputError, match=message):
        sums(**change)


def test_a_number_is_expected():
    words = grouped([({"text": "a"}, ["none"])])
    with pytest.raises(InputError, match="metric is 'number': it finds no answer in example 1"):
        task(metric="number", train=words, test=words)


def test_a_pattern_that_takes_too_long_for_a_reference(monkeypatch):
    monkeypatch.setattr(user_regex, "SECONDS", 0.05)
    slow = grouped([({"text": "a"}, ["#### " + "a" * 60 + "b"])])
    with pytest.raises(InputError, match="it takes more than .* to search example 1 of train"):
        task(answer="#### ((?:a|aa)+)$", train=slow, test=slow)


def test_what_makes_a_run_is_in_the_checksum():
    changes = [
        dict(decoding=Decoding(max_new_tokens=9)),
        dict(decoding=Decoding(do_sample=True)),
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
            "allowed are bleu, chrf, entity_f1, exact_match, f1, format, number, referent",
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


def test_own_files_with_answers_and_rationales(tmp_path):
    rows = [("q", "a", "why"), ("x", "1", "one"), ("y", "so #### 2", "two"), ("x", "1", "uno")]
    files = dict(train=write(tmp_path / "a.csv", *rows), test=write(tmp_path / "b.csv", *rows))
    fields = dict(name="n", text="q", target="a", metric="number", **files)
    made = TextFileTask(**fields, marker="####", rationale="why").load()
    assert [one.references for one in made.train] == [("#### 1", "#### 1"), ("so #### 2",)]
    assert [one.rationales for one in made.train] == [("one", "uno"), ("two",)]
    assert made.parser.parse("#### 5 km\n#### 6 km \nx").answer == "6 km"
    assert made.with_rationale(made.train[0]).label == "one #### 1"
    write(tmp_path / "b.csv", *[row[:2] for row in rows])  # test may lack the rationale
    made = TextFileTask(**fields, marker="####", rationale="why").load()
    assert [one.rationales for one in made.test] == [(), ()] and made.has_rationales
    plain = TextFileTask(**fields, answer=r"(\d+)").load()
    assert [one.references for one in plain.train] == [("1", "1"), ("so #### 2",)]


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(marker="####", answer="(a)"), "marker is '####': .* no `answer` beside it"),
        (dict(marker=" "), "marker is ' ': a text to stand before the answer is expected"),
        (dict(rationale="a"), "rationale is 'a': a column that is neither text nor target"),
        (dict(rationale="b", answer="(.*)"), "column of .*a.csv is 'b'"),
        (dict(answer="x(.*)"), "it finds no answer in example 1 of train, '1'"),
    ],
)
def test_mistakes_about_answers_in_own_files(change, message, tmp_path):
    rows = [("q", "a", "why"), ("x", "1", "one"), ("y", "2", "two")]
    files = dict(train=write(tmp_path / "a.csv", *rows), test=write(tmp_path / "b.csv", *rows))
    with pytest.raises(InputError, match=message):
        TextFileTask(name="n", text="q", target="a", **files, **change).load()
