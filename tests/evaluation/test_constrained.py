"""Constrained decoding against masks that are computed in Python, token by token, by `regex`."""

import functools
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import regex

from research.common.errors import InputError
from research.evaluation.batch import EncodedPrompts
from research.evaluation.cached_predictor import CachedPredictor
from research.evaluation.decoding import pattern as pattern_module
from research.evaluation.decoding.automaton import TokenAutomaton, permitted
from research.evaluation.decoding.generated import Generated
from research.evaluation.decoding.pattern import pattern_automaton, token_automaton
from research.evaluation.predictor import AdaptedWeights
from research.records.store import RunStore
from research.tasks.decoding import Decoding
from research.tasks.metrics.output_format import JsonSchema
from tests import films
from tests.thorough import cases
from tests.tiny import FRAME, ONE, all_logprobs, decoder, encoded, predictor

COUNT, END, WIDTH = 6, 9, 24
# The bytes of tokens 0 to 14; the model has 23 tokens, of which the others never follow.
TOKENS = [b"", b"a", b"b", b"ab", b" a", b"1", b"12", b"2,", b",", b"", b"c", b" ", b"ca", b"b1"]
TOKENS += ["é".encode()[:1]]
PATTERNS = ("ab*(1|12)?", "(a|b|c){3,5}", "[a-c]+,[0-9]+", "a|ab1", ".*", "^c?a+$")


class Plain:
    """Which tokens may follow, from the definition."""

    def __init__(self, pattern: str):
        self.pattern = regex.compile(f" ?(?:{pattern.strip('^$')})", regex.DOTALL)
        self.finishes = functools.cache(self._finishes)

    def matches(self, text: bytes, partial: bool = False) -> bool:
        try:
            return self.pattern.fullmatch(text.decode(), partial=partial) is not None
        except UnicodeDecodeError:  # half of a character, whose other half is no token
            return False

    def _finishes(self, text: bytes, left: int) -> bool:
        """Whether a text matches, or can within `left` further tokens."""
        if self.matches(text):
            return True
        if left == 0 or not self.matches(text, partial=True):
            return False
        return any(self.finishes(text + token, left - 1) for token in TOKENS if token)

    def allowed(self, text: tuple[int, ...], left: int) -> list[int]:
        """The tokens that may follow where `left` tokens are left, the next included."""
        before = b"".join(TOKENS[token] for token in text)
        ids = [
            token
            for token in range(len(TOKENS))
            if TOKENS[token] and self.finishes(before + TOKENS[token], left - 1)
        ]
        return [*ids, END] if self.matches(before) else ids


class Case:
    """A model, prompts and the log-probabilities [V] after any text, by a whole pass each."""

    def __init__(self):
        self.model, self.params = decoder()
        self.examples = encoded(5)
        self.prompts = EncodedPrompts(self.examples, FRAME)
        self.weights = AdaptedWeights((), self.params)

    def logprobs(self, row: int, text: tuple[int, ...]) -> np.ndarray:
        before = np.asarray(FRAME.prefix_ids[: int(FRAME.prefix_length)])
        prompt = self.examples.tokens[row, : self.examples.prompt_length[row]]
        ids = np.concatenate([before, prompt, np.array(text, np.int32)])
        padded = np.zeros(WIDTH, np.int32)
        padded[: len(ids)] = ids
        return np.asarray(all_logprobs(self.model, self.params, jnp.asarray(padded)))[len(ids) - 1]

    def texts(self, decoding: Decoding, automaton: TokenAutomaton | None, **how: Any) -> Generated:
        return predictor(self.model).generate(
            self.weights, self.prompts, decoding, ends=[END], automaton=automaton, **how
        )


@pytest.fixture(scope="module")
def case() -> Case:
    return Case()


Choice = Callable[[np.ndarray, list[int], int], int]


def one_by_one(case: Case, row: int, plain: Plain, choose: Choice) -> tuple[list[int], float]:
    """(the tokens of a text, their log-probability): at each step one of the allowed tokens."""
    text, score = (), 0.0
    while len(text) < COUNT and END not in text:
        logprobs = case.logprobs(row, text)
        token = choose(logprobs, plain.allowed(text, COUNT - len(text)), len(text))
        text, score = (*text, token), score + float(logprobs[token])
    return list(text), score


def compare(result: Generated, row: int, text: list[int], score: float) -> None:
    assert result.tokens[row].tolist() == text + [0] * (COUNT - len(text))
    assert result.length[row] == len(text)
    assert result.score[row] == pytest.approx(score, abs=1e-4)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_greedy_equals_the_best_allowed_token_of_each_step(case: Case, pattern: str):
    plain = Plain(pattern)
    result = case.texts(Decoding(COUNT), token_automaton(pattern, TOKENS, [END], COUNT))
    free = case.texts(Decoding(COUNT), None)
    assert (result.tokens != free.tokens).any()
    for row in range(5):
        text, score = one_by_one(
            case, row, plain, lambda logprobs, ids, _: max(ids, key=lambda id: logprobs[id])
        )
        compare(result, row, text, score)
        assert plain.matches(b"".join(TOKENS[token] for token in text))


@pytest.mark.parametrize("pattern", cases(PATTERNS, quick=PATTERNS[1:3]))
@pytest.mark.parametrize("top_k", [None, 3])
def test_sampling_draws_from_the_allowed_tokens(case: Case, pattern: str, top_k: int | None):
    decoding = Decoding(COUNT, do_sample=True, temperature=1.5, top_k=top_k)
    automaton = token_automaton(pattern, TOKENS, [END], COUNT)
    result = case.texts(decoding, automaton, seed=3)
    for row in range(5):
        key = jax.random.fold_in(jax.random.key(3), row + 1)

        def draw(logprobs: np.ndarray, ids: list[int], step: int, key: Any = key) -> int:
            scores = np.full(len(logprobs), -np.inf, np.float32)
            ranked = sorted(ids, key=lambda id: -logprobs[id])[:top_k]
            scores[ranked] = (logprobs[ranked] - logprobs[ranked[0]]) / 1.5
            return int(jax.random.categorical(jax.random.fold_in(key, step), jnp.asarray(scores)))

        compare(result, row, *one_by_one(case, row, Plain(pattern), draw))


def best_of_beams(case: Case, row: int, plain: Plain, count: int) -> tuple[list[int], float]:
    """Beam search in Python, with the choices of `research.evaluation.decoding.beams`."""
    beams, ended = [(0.0, ())], []
    for step in range(1, COUNT + 1):
        candidates = []
        for score, text in beams:
            logprobs = case.logprobs(row, text)
            for token in plain.allowed(text, COUNT - step + 1):
                candidates.append((score + float(logprobs[token]), (*text, token)))
        candidates = sorted(candidates, reverse=True)[: 2 * count]
        ends = [text[-1] == END or step == COUNT for _, text in candidates]
        finished = [(score / step, text) for score, text in candidates[:count]]
        ended += [text for text, end in zip(finished, ends[:count], strict=True) if end]
        ended = sorted(ended, reverse=True)[:count]
        beams = [text for text, end in zip(candidates, ends, strict=True) if not end][:count]
        worst = ended[-1][0] if len(ended) == count else -np.inf
        if not beams or beams[0][0] / step <= worst:
            break
    score, text = ended[0]
    return list(text), score


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("count", cases([2, 4], quick=(4,)))
def test_beams_extend_by_allowed_tokens(case: Case, pattern: str, count: int):
    automaton = token_automaton(pattern, TOKENS, [END], COUNT)
    result = case.texts(Decoding(COUNT, num_beams=count), automaton)
    for row in range(5):
        compare(result, row, *best_of_beams(case, row, Plain(pattern), count))


COUNTS = (r"[ab][abc]{0,60}", r"\S.{0,40}", r"'([^'\\]|\\['n]){0,40}'")


@pytest.mark.parametrize("pattern", COUNTS)
def test_counts_take_few_states(pattern: str):
    """Matches that begin later than the text would take more than 2^40."""
    tokens = [bytes([byte]) for byte in range(256)]
    automaton = token_automaton(pattern, tokens, [256], COUNT)
    assert len(automaton.shortest) < 2000


def test_a_pattern_with_one_text_leaves_no_choice(case: Case):
    """Also for more beams than there are texts, and where the maximum is in place of an end."""
    automaton = token_automaton("ab1,", TOKENS, [END], 3)
    for decoding in (Decoding(3), Decoding(3, num_beams=4), Decoding(3, do_sample=True)):
        result = case.texts(decoding, automaton)
        written = {b"".join(TOKENS[token] for token in text) for text in result.tokens}
        assert written <= {b"ab1,", b" ab1,"}


def test_a_model_may_have_fewer_tokens_than_the_tokenizer():
    automaton = token_automaton("a|c", TOKENS, [END], COUNT)
    scores = permitted(automaton, jnp.zeros((1, 10)), jnp.zeros(1, jnp.int32), jnp.int32(2))
    assert np.flatnonzero(np.isfinite(scores[0])).tolist() == [1, 4]


def test_cached_results_are_those_of_one_pattern(case: Case):
    cache: dict[bytes, Any] = {}

    def memo(key: bytes, compute: Callable[[], Any]) -> Any:
        if key not in cache:
            cache[key] = compute()
        return cache[key]

    cached = CachedPredictor(case.model, ONE, jnp.float32, memo)
    options: Any = dict(decoding=Decoding(COUNT), ends=[END])
    automata = [None, *(token_automaton(p, TOKENS, [END], COUNT) for p in ("a+", "c+"))]
    for automaton in (*automata, *automata):
        result = cached.generate(case.weights, case.prompts, automaton=automaton, **options)
        np.testing.assert_array_equal(result.tokens, case.texts(Decoding(COUNT), automaton).tokens)
    assert len(cache) == 3


WALKS = (
    r"-?(0|[1-9][0-9]{0,2})(\.[0-9]+)?",
    "(a |the )?(great|dull) film [0-9]+",
    r"[a-z]+(, [a-z]+)*",
)


@pytest.mark.parametrize("pattern", WALKS)
def test_allowed_tokens_of_a_tokenizer_are_those_that_can_still_match(pattern: str):
    """Along random texts: of all tokens, by a match of each whole text in Python."""
    tokenizer, rng = films.tokenizer(), np.random.default_rng(0)
    eos = tokenizer.eos_token_id
    automaton = pattern_automaton(pattern, tokenizer, (eos,), 40, "\n")
    whole = regex.compile(f" ?(?:{pattern})")
    ids = range(len(tokenizer))
    pieces = [tokenizer.decode([id]) if id not in tokenizer.all_special_ids else "" for id in ids]
    for _ in range(4):
        text, state = "", 0
        for _ in range(12):
            scores = permitted(automaton, np.zeros((1, len(ids))), jnp.array([state]), 10**6)
            allowed = set(np.flatnonzero(np.isfinite(np.asarray(scores)[0])).tolist())
            expected = {
                id
                for id in ids
                if pieces[id] and whole.fullmatch(text + pieces[id], partial=True) is not None
            }
            assert allowed - {eos} == expected
            assert (eos in allowed) == (whole.fullmatch(text) is not None)
            if not expected:
                break
            token = int(rng.choice(sorted(expected)))
            text, state = text + pieces[token], automaton.following[state, automaton.classes[token]]


def test_bytes_of_a_character_are_allowed_one_by_one():
    tokenizer = films.tokenizer()
    automaton = pattern_automaton("[ä-ü]", tokenizer, (tokenizer.eos_token_id,), 3)
    ids = tokenizer.encode("é", add_special_tokens=False)
    assert len(ids) == 2 and automaton.shortest[0] == 2
    state = 0
    for token in ids:
        state = automaton.following[state, automaton.classes[token]]
    assert automaton.shortest[state] == 0


def test_no_token_that_ends_a_text_stands_within_it():
    """Of the line end that ends a text there is a token, and `.` does not allow it."""
    tokenizer = films.tokenizer()
    [line] = tokenizer.encode("\n", add_special_tokens=False)
    automaton = pattern_automaton(".+", tokenizer, (line,), 5, "\n")
    assert automaton.following[0, automaton.classes[line]] == -1
    longer = pattern_automaton(".+", tokenizer, (tokenizer.eos_token_id,), 5, " film")
    for token, id in tokenizer.get_vocab().items():
        if "Ġfilm" in token:
            assert longer.classes[id] == 0


@pytest.mark.parametrize(
    "pattern, message",
    [
        (
            "a(?=b)",
            "outlines-core refuses it .*look-around is not supported",
        ),
        ("(a", "outlines-core refuses it"),
        ("a{7}", "the shortest text takes 7 tokens, and max_new_tokens is 6"),
        ("x", "no text of the model's tokens matches it"),
        ("a{9000}", "its automaton has more than 5,000 states"),
    ],
)
def test_patterns_that_cannot_be_decoded(pattern: str, message: str):
    with pytest.raises(InputError, match=message):
        token_automaton(pattern, TOKENS, [END], COUNT)


@pytest.mark.parametrize(
    "limit, value, message",
    [
        ("MOST_SECONDS", 1e-3, "its automaton takes more than 0 seconds"),
        ("MOST_MEMORY", 2**20, "its automaton takes more than 0.0 GiB of memory"),
        ("MOST_TABLE", 10, "its table of tokens takes more than 0 MiB"),
    ],
)
def test_patterns_that_take_too_much(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: float, message: str
):
    monkeypatch.setattr(pattern_module, limit, value)
    with pytest.raises(InputError, match=message):
        token_automaton("(a|b)*a(a|b){3}", TOKENS, [END], COUNT)


def test_without_an_end_or_the_extra(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(InputError, match="it takes a single token that ends a text"):
        token_automaton("a", TOKENS, [], COUNT)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"outlines-core: pip install 'adaptlab\[constrained\]'"):
        token_automaton("a", TOKENS, [END], COUNT)


def constrained_config(config: dict[str, Any], folder: Path, **task: Any) -> dict[str, Any]:
    """The films as texts, zero-shot and LoRA, each with and without constrained decoding."""
    for split in ("train", "test"):
        lines = Path(config["task"][split]).read_text()
        (folder / f"{split}.csv").write_text(lines)
    settings = {"target": "label", "format": "good|bad", "decoding": {"max_new_tokens": 6}, **task}
    task = {**config["task"], "source": "text_file", **settings}
    lora = {**config["approaches"][2], "trials": [{"learning_rate": 0.1}]}
    zero = {"name": "zero-shot"}
    rows = [zero, lora, *({**row, "name": f"{row['name']}, format"} for row in (zero, lora))]
    rows = [{**row, "constrained": "format" in row["name"]} for row in rows]
    return {**config, "task": task, "approaches": rows, "regimes": ("4",)}


def test_decoding_with_and_without_it_are_rows_of_one_table(config: dict[str, Any], tmp_path: Path):
    config = constrained_config(config, tmp_path)
    results = films.run(config, tmp_path / "results")
    store = RunStore(results)
    for record in store.all():
        constrained = record.approach.endswith("format")
        assert ("constrained" in record.settings["approach"]) == constrained
        if record.approach == "zero-shot":
            assert record.metrics["test"]["format"] < 1
        if constrained:
            assert record.metrics["test"]["format"] == 1
            _, predictions = store.load(record.run_id)
            assert predictions is not None and set(predictions.predicted) <= {"good", "bad"}
    by_row = {(r.approach, r.seed): r for r in store.all()}
    for seed in range(2):  # the same training
        free, limited = by_row["LoRA", seed], by_row["LoRA, format", seed]
        assert free.history == limited.history
    lines = (results / "table.md").read_text().splitlines()
    score_table = lines[2 : lines.index("", 2)]
    rows = [[cell.strip() for cell in line.split("|")] for line in score_table]
    column = rows[0].index("in format % of outputs")
    cells = {row[1]: row[column] for row in rows}
    assert cells["LoRA, format"] == cells["zero-shot, format"] == "100.0"
    assert float(cells["zero-shot"]) < 100
    [note] = [line for line in lines if "Decoding constrained" in line]
    assert note.endswith("to the task's format: zero-shot, format, LoRA, format.")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"format": None}, "constrained is True: task films has neither format nor json_schema"),
        ({"format": "g(?=o)ood"}, "format is .*outlines-core refuses it"),
        (
            {"decoding": {"max_new_tokens": 6, "no_repeat_ngram_size": 2}},
            "no_repeat_ngram_size is 2: constrained decoding may need an n-gram again",
        ),
    ],
)
def test_settings_that_do_not_go_together(
    config: dict[str, Any], tmp_path: Path, change: dict[str, Any], message: str
):
    with pytest.raises(InputError, match=message):
        films.run(constrained_config(config, tmp_path, **change), tmp_path / "results")


def test_a_label_task_decodes_nothing(config: dict[str, Any], tmp_path: Path):
    config["approaches"] = [{"name": "zero-shot", "constrained": True}]
    with pytest.raises(InputError, match="the task is not answered by generated texts"):
        films.run(config, tmp_path / "results")


SCHEMA = {
    "type": "object",
    "properties": {
        "verdict": {"enum": ["good", "bad"]},
        "film": {"type": "integer", "minimum": 0},
    },
    "required": ["verdict", "film"],
    "additionalProperties": False,
}


def test_outputs_of_a_json_schema(config: dict[str, Any], tmp_path: Path):
    """Every constrained output satisfies the schema, with its properties in the schema's order."""
    schema = JsonSchema(json.dumps(SCHEMA))
    tokenizer = films.tokenizer()
    automaton = pattern_automaton(schema.pattern, tokenizer, (tokenizer.eos_token_id,), 40, "\n")
    rng = np.random.default_rng(0)
    for _ in range(5):
        state, ids = 0, []
        for left in range(40, 0, -1):
            scores = permitted(automaton, np.zeros((1, 320)), jnp.array([state]), left)
            token = int(rng.choice(np.flatnonzero(np.isfinite(np.asarray(scores)[0]))))
            if token == tokenizer.eos_token_id:
                break
            ids, state = [*ids, token], automaton.following[state, automaton.classes[token]]
        text = str(tokenizer.decode(ids))
        assert list(json.loads(text)) == ["verdict", "film"]
        assert schema.matches(text) == (json.loads(text)["film"] >= 0)


def test_entities_by_a_json_schema(config: dict[str, Any], tmp_path: Path):
    """A sweep whose outputs are JSON: constrained ones satisfy the schema, and are scored by F1."""
    films.write_backbone(tmp_path / "backbone", context=256)
    entity = {"enum": [{"text": word, "type": "adj"} for word in ("great", "dull")]}
    (tmp_path / "schema.json").write_text(json.dumps({"type": "array", "items": entity}))
    for split, rows in (("train", films.films(0, 12)), ("test", films.films(40, 44))):
        answers = [(text, json.dumps([{"text": "great", "type": "adj"}])) for text, _ in rows]
        films.write_csv(tmp_path / f"{split}.csv", answers)
    rows = [{"name": "free"}, {"name": "by schema", "constrained": True}]
    changes = {
        **{split: str(tmp_path / f"{split}.csv") for split in ("train", "test")},
        **{"json_schema": str(tmp_path / "schema.json"), "metric": "entity_f1"},
        "decoding": {"max_new_tokens": 80, "num_beams": 2},
    }
    task = {**config["task"], "source": "text_file", "target": "label", **changes}
    config |= {"backbone": str(tmp_path / "backbone"), "task": task, "approaches": rows}
    results = films.run({**config, "regimes": ("4",), "seeds": 2}, tmp_path / "results")
    for record in RunStore(results).all():
        if record.approach in ("free", "by schema"):
            assert record.metrics["test"]["format"] == float(record.approach == "by schema")
            assert 0 <= (record.metrics["test"]["entity_f1"] or 0) <= 1
    assert "Scores: entity F1 on test in percent" in (results / "table.md").read_text()
