"""The world's tasks: same bits everywhere, disjoint, balanced, short."""

from collections import Counter

import pytest
from transformers import AutoTokenizer

from research.common.errors import InputError
from research.common.paths import resolve_path
from research.tasks.example import text_key
from research.tasks.task import Task
from research.tasks.world import RECIPES, WorldTask, task
from research.tasks.world.packing import PLAIN

CHECKSUMS = {
    "sentiment": "79f39bedc2546fdf",
    "topic": "9e94860de8f5f918",
    "intent": "3b974d86d75d95c9",
    "entailment": "32b705d2f9f9fcb7",
    "novel": "781b43b8d6259297",
}
CHANGED = (
    "the texts of {} changed: raise VERSION in research/tasks/world/corpus.py, make the checkpoint "
    "again (scripts/pretrain.py), then put the new checksum here"
)
QUICKSTART, MOST_TOKENS = ("sentiment", "novel"), 48  # the quickstart has one padded width: 32


@pytest.fixture(scope="module")
def tasks() -> dict[str, Task]:
    return {name: WorldTask(name).load() for name in RECIPES}


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(resolve_path("world-1m", "backbone"))


@pytest.mark.parametrize("name", RECIPES)
def test_a_task_is_the_same_everywhere(tasks, name):
    assert tasks[name].checksum[:16] == CHECKSUMS.get(name), CHANGED.format(name)


def test_seeds_give_different_texts():
    one, two = (WorldTask("topic", seed=seed, train=50, test=50, ood=50).load() for seed in (0, 1))
    assert set(map(text_key, one.test)).isdisjoint(map(text_key, two.test))


@pytest.mark.parametrize("name", RECIPES)
def test_sizes_and_balance(tasks, name):
    for split, size in {"train": 2000, "test": 400, "ood": 400}.items():
        counts = Counter(example.label for example in tasks[name].splits[split])
        assert sum(counts.values()) == size
        assert set(counts) == set(tasks[name].labels)
        assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize("name", RECIPES)
def test_no_text_stands_twice(tasks, name):
    """Not even a premise with another hypothesis; the sampler then drops nothing."""
    splits = tasks[name].splits.values()
    texts = [next(iter(example.fields.values())) for split in splits for example in split]
    assert len(set(texts)) == len(texts) == 2800
    assert tasks[name].pools.dropped == 0


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("split", ["train", "test", "ood"])
def test_rows_are_short(tasks, name, split, tokenizer):
    task = tasks[name]
    most = 32 if name in QUICKSTART and split != "ood" else MOST_TOKENS
    for template in task.templates:
        rows = [
            template.fill(example.fields) + task.verbalizer.target(example.label)
            for example in task.splits[split]
        ]
        lengths = [len(ids) for ids in tokenizer(rows, **PLAIN)["input_ids"]]
        assert max(lengths) <= most, rows[lengths.index(max(lengths))]


@pytest.mark.parametrize("name", RECIPES)
def test_labels_are_short_and_distinct(tasks, name, tokenizer):
    task = tasks[name]
    ids = [
        tuple(tokenizer(task.verbalizer.target(label), **PLAIN)["input_ids"])
        for label in task.labels
    ]
    assert len(set(ids)) == len(ids)
    assert max(map(len, ids)) <= 2  # with the end of the target


@pytest.mark.parametrize("name", RECIPES)
def test_three_templates(tasks, name):
    assert len(tasks[name].templates) == 3


def test_ood_reviews_are_about_other_products(tasks):
    def named(split, words):
        texts = [example.fields["text"] for example in tasks["sentiment"].splits[split]]
        return sum(any(word in text for word in words) for text in texts)

    assert named("test", ("museum", "concert", "homework")) == 0
    assert named("ood", ("museum", "concert", "homework")) > 20
    assert named("ood", ("plot", "soup", "bathroom")) == 0


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="name is 'sentimnet': did you mean 'sentiment'"):
        WorldTask("sentimnet").load()


def test_a_split_larger_than_the_world_is_refused(monkeypatch):
    monkeypatch.setattr(task, "MOST_MISSES", 20)
    with pytest.raises(InputError, match="train is 1000000: there are no more than [0-9]+ texts"):
        WorldTask("novel", train=1_000_000).load()


def test_a_split_smaller_than_the_labels_is_refused():
    with pytest.raises(InputError, match="test is 3: at least 8"):
        WorldTask("intent", test=3).load()
