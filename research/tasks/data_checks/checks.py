"""The checks: counts, errors, redundancies and personal data.

They follow data sheets (Gebru et al. 2021, arXiv 1803.09010, sections 3.2 and 3.3).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from research.tasks.data_checks.near_duplicates import alike
from research.tasks.data_checks.ngrams import Vocabulary, normal
from research.tasks.data_checks.personal_data import KINDS
from research.tasks.data_checks.report import (
    MOST_ROW_NUMBERS,
    FlaggedRows,
    Lengths,
    SplitReport,
    TaskDataReport,
)
from research.tasks.example import Example, text_key
from research.tasks.task import Task

GRAM = 8  # words of an n-gram; in scripts without spaces as many letters as are as rare
MOST = 0.7  # share of a text's 8-grams: Chowdhery et al. 2022 (arXiv 2204.02311, section 8)


def task_data_report(task: Task, lengths: Mapping[str, Lengths] | None = None) -> TaskDataReport:
    """Checks all examples of a task.

    Texts are compared without case, words without punctuation. The report has row numbers, but no
    texts and labels of rows.

    Args:
      task: the task.
      lengths: prompt lengths by split, where a tokenizer is available.
    """
    splits = {**task.splits, **task.tests}
    parts = {split: examples for split, examples in splits.items() if examples}
    words = {
        split: [normal(example.text) for example in examples] for split, examples in parts.items()
    }
    training = [name for name in parts if name not in task.tests]
    training_keys = {text_key(example) for name in training for example in parts[name]}
    vocabulary = Vocabulary()
    training_words = [text for name in training for text in words[name]]
    grams = np.unique(vocabulary.grams(training_words, GRAM)[0])
    conflicts = _conflicts(task, parts, words)
    reports = {}
    for split, examples in parts.items():
        leaks: dict[str, FlaggedRows] = {}
        if split in task.tests:
            shares = _shares(vocabulary, words[split], grams)
            leaks["shared"] = _where(text_key(example) in training_keys for example in examples)
            leaks["grams"], leaks["mostly"] = _where(shares > 0), _where(shares >= MOST)
        reports[split] = SplitReport(
            rows=len(examples),
            labels=_balance(task, examples),
            repeated=_repeated(examples),
            personal=_personal(examples),
            lengths=(lengths or {}).get(split),
            skipped=_first_of(task.skipped.get(split, ())),
            **conflicts[split],
            **leaks,
        )
    return TaskDataReport(task.name, task.checksum, reports)


def _where(flags: Iterable[object]) -> FlaggedRows:
    return _first_of([row for row, flag in enumerate(flags, start=1) if flag])


def _first_of(rows: Sequence[int]) -> FlaggedRows:
    return FlaggedRows(len(rows), tuple(rows[:MOST_ROW_NUMBERS]))


def _balance(task: Task, examples: Sequence[Example]) -> dict[str, int]:
    counts = Counter(example.label for example in examples)
    return {label: counts[label] for label in task.labels}


def _repeated(examples: Sequence[Example]) -> FlaggedRows:
    seen: set[tuple[str, ...]] = set()
    flags = []
    for key in map(text_key, examples):
        flags.append(key in seen)
        seen.add(key)
    return _where(flags)


def _personal(examples: Sequence[Example]) -> dict[str, FlaggedRows]:
    texts = [example.text for example in examples]
    flagged = {kind: _where(map(matches, texts)) for kind, matches in KINDS.items()}
    return {kind: rows for kind, rows in flagged.items() if rows.count}


def _shares(vocabulary: Vocabulary, texts: Sequence[str], grams: np.ndarray) -> np.ndarray:
    """The share [I] of each text's 8-grams that are in `grams`; 0 for shorter texts."""
    hashes, rows = vocabulary.grams(texts, GRAM)
    total = np.bincount(rows, minlength=len(texts))
    shared = np.bincount(rows, weights=np.isin(hashes, grams), minlength=len(texts))
    return shared / np.maximum(total, 1)


def _conflicts(
    task: Task, parts: Mapping[str, Sequence[Example]], words: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, FlaggedRows]]:
    """`conflicting` and `nearly` of each split; empty for a task without labels."""
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

    def differing(labels_of: Mapping[str, set[str]], split: str) -> FlaggedRows:
        rows = zip(words[split], parts[split], strict=True)
        return _where(labels_of.get(text, set()) - {example.label} for text, example in rows)

    return {
        split: {"conflicting": differing(labels, split), "nearly": differing(near, split)}
        for split in parts
    }
