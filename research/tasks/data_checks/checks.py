"""Checks of a task's examples before training.

They follow data sheets (Gebru et al. 2021, arXiv 1803.09010, sections 3.2 and 3.3): counts, errors
and redundancies, personal data.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from research.tasks.data_checks.near_duplicates import alike
from research.tasks.data_checks.ngrams import Vocabulary, normal
from research.tasks.data_checks.personal_data import KINDS
from research.tasks.task import Example, Task, text_key

SHOWN = 10  # row numbers that are listed
GRAM = 8  # words
MOST = 0.7  # of a text's 8-grams: Chowdhery et al. 2022 (arXiv 2204.02311, section 8)


@dataclass(frozen=True)
class Found:
    """Rows of a split that a check flags.

    Attributes:
      count: number of rows.
      rows: numbers of the first rows, from 1.
    """

    count: int = 0
    rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class Lengths:
    """Prompt lengths in tokens, with the first template and without demonstrations.

    Attributes:
      median: of the lengths.
      high: 95th percentile.
      longest: maximum.
      most: maximum that fits.
      over: prompts longer than `most`.
    """

    median: float
    high: float
    longest: int
    most: int
    over: Found = Found()


@dataclass(frozen=True)
class Part:
    """Checks of a split.

    Attributes:
      rows: number of rows.
      labels: rows per label.
      repeated: rows whose text repeats an earlier row.
      conflicting: rows whose words occur in the task with another label.
      nearly: rows with a near duplicate (see `alike`) of another label.
      personal: rows that seem to hold personal data, by kind (see `KINDS`).
      shared: rows of a test split whose text occurs in train or dev.
      grams: rows of a test split with an 8-gram of words that occurs in train or dev.
      mostly: rows of a test split with at least 70 % of their 8-grams in train or dev.
      lengths: of the prompts.
    """

    rows: int
    labels: Mapping[str, int] = field(default_factory=dict)
    repeated: Found = Found()
    conflicting: Found = Found()
    nearly: Found = Found()
    personal: Mapping[str, Found] = field(default_factory=dict)
    shared: Found = Found()
    grams: Found = Found()
    mostly: Found = Found()
    lengths: Lengths | None = None


@dataclass(frozen=True)
class TaskDataReport:
    """Checks of a task.

    Attributes:
      task: name of the task.
      checksum: of the task.
      parts: checks by split.
    """

    task: str
    checksum: str
    parts: Mapping[str, Part]


def task_data_report(task: Task, lengths: Mapping[str, Lengths] | None = None) -> TaskDataReport:
    """Looks at all examples of a task; `lengths`: of its splits, where a tokenizer is at hand.

    Case, and for words punctuation, do not count. Texts and labels are in no survey but by number.
    """
    parts = {split: of for split, of in {**task.splits, **task.tests}.items() if of}
    words = {
        split: [normal(example.text) for example in examples] for split, examples in parts.items()
    }
    taught = [name for name in parts if name not in task.tests]
    known = {text_key(example) for name in taught for example in parts[name]}
    vocabulary = Vocabulary()
    grams = np.unique(vocabulary.grams([one for name in taught for one in words[name]], GRAM)[0])
    conflicts = _conflicts(task, parts, words)
    found = {}
    for split, examples in parts.items():
        seen: dict[str, Found] = {}
        if split in task.tests:
            shares = _shares(vocabulary, words[split], grams)
            seen["shared"] = _where(text_key(example) in known for example in examples)
            seen["grams"], seen["mostly"] = _where(shares > 0), _where(shares >= MOST)
        found[split] = Part(
            rows=len(examples),
            labels=_balance(task, examples),
            repeated=_repeated(examples),
            personal=_personal(examples),
            lengths=(lengths or {}).get(split),
            **conflicts[split],
            **seen,
        )
    return TaskDataReport(task.name, task.checksum, found)


def _where(flags: Iterable[object]) -> Found:
    rows = [row for row, flag in enumerate(flags, start=1) if flag]
    return Found(len(rows), tuple(rows[:SHOWN]))


def _balance(task: Task, examples: Sequence[Example]) -> dict[str, int]:
    counts = Counter(example.label for example in examples)
    return {label: counts[label] for label in task.labels}


def _repeated(examples: Sequence[Example]) -> Found:
    seen: set[tuple[str, ...]] = set()
    flags = []
    for key in map(text_key, examples):
        flags.append(key in seen)
        seen.add(key)
    return _where(flags)


def _personal(examples: Sequence[Example]) -> dict[str, Found]:
    texts = [example.text for example in examples]
    found = {kind: _where(map(looks, texts)) for kind, looks in KINDS.items()}
    return {kind: one for kind, one in found.items() if one.count}


def _shares(vocabulary: Vocabulary, texts: Sequence[str], known: np.ndarray) -> np.ndarray:
    """[I] the share of each text's 8-grams that are known; 0 for shorter texts."""
    hashes, rows = vocabulary.grams(texts, GRAM)
    total = np.bincount(rows, minlength=len(texts))
    met = np.bincount(rows, weights=np.isin(hashes, known), minlength=len(texts))
    return met / np.maximum(total, 1)


def _conflicts(
    task: Task, parts: Mapping[str, Sequence[Example]], words: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, Found]]:
    """`conflicting` and `nearly` of each split; nothing where there are no labels."""
    labels: dict[str, set[str]] = defaultdict(set)
    for split, texts in words.items():
        for text, example in zip(texts, parts[split], strict=True):
            labels[text].add(example.label)
    if not task.labels:
        return {split: {} for split in parts}
    distinct = list(labels)
    near: dict[str, set[str]] = defaultdict(set)
    for first, second in alike(distinct).tolist():
        near[distinct[first]] |= labels[distinct[second]]
        near[distinct[second]] |= labels[distinct[first]]

    def others(found: Mapping[str, set[str]], split: str) -> Found:
        rows = zip(words[split], parts[split], strict=True)
        return _where(found.get(text, set()) - {example.label} for text, example in rows)

    return {
        split: {"conflicting": others(labels, split), "nearly": others(near, split)}
        for split in parts
    }
