"""The automaton of a regular expression over a tokenizer's tokens."""

import functools
import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from research.common.errors import InputError
from research.common.tokenizer import Tokenizer
from research.common.user_regex import TOKENS
from research.evaluation.decoding import byte_states
from research.evaluation.decoding.automaton import NEVER, TokenAutomaton
from research.tasks.encoding.token_bytes import token_bytes

MOST_STATES = 5_000
MOST_TABLE = 256 * 2**20  # bytes of the table that the devices hold
MOST_MEMORY = 3 * 2**30  # bytes of the process that compiles a pattern
MOST_SECONDS = 60.0
CHUNK = 4096  # tokens that are followed through all states at the same time
INSTALL = "it takes outlines-core: pip install 'adaptlab[constrained]'"


@functools.lru_cache(maxsize=4)
def pattern_automaton(
    pattern: str, tokenizer: Tokenizer, ends: tuple[int, ...], most: int, end: str = ""
) -> TokenAutomaton:
    """The automaton of the texts of a model that match a pattern, see `token_automaton`.

    Args:
        pattern: the regular expression.
        tokenizer: the model's tokenizer.
        ends: tokens that end a text.
        most: maximum number of tokens of a text.
        end: characters that end a text; no token that has them follows.
    """
    tokens = [b"" if end and end.encode() in token else token for token in token_bytes(tokenizer)]
    return token_automaton(pattern, tokens, ends, most)


def token_automaton(
    pattern: str, tokens: Sequence[bytes], ends: Sequence[int], most: int
) -> TokenAutomaton:
    """The automaton of texts that match a pattern in full, after a space or none.

    A dot matches line ends too. Raises InputError without outlines-core, without an end, and for a
    pattern that outlines-core refuses, that takes too much time or memory, or that no text of
    `most` tokens matches.

    Args:
        pattern: the regular expression.
        tokens: the bytes of each token by its id; a token without bytes never follows.
        ends: tokens that end a text, and never stand within it.
        most: maximum number of tokens of a text.
    """
    if not ends:
        raise InputError("constrained", True, "it takes a single token that ends a text, as EOS")
    final, following = _byte_automaton(pattern)
    table, classes = _over_tokens(pattern, final, following, tokens, ends)
    shortest = _shortest(table, final)
    if shortest[0] == NEVER:
        raise InputError("format", pattern, "no text of the model's tokens matches it")
    if shortest[0] > most:
        allowed = f"the shortest text takes {shortest[0]} tokens, and max_new_tokens is {most}"
        raise InputError("format", pattern, allowed)
    return TokenAutomaton(table, classes, shortest)


def _byte_automaton(pattern: str) -> tuple[NDArray, NDArray]:
    """([S] bool whether the text matches, [S, 256] the state after each byte or -1)."""
    if importlib.util.find_spec("outlines_core") is None:
        raise InputError("constrained", True, INSTALL)
    command = [sys.executable, "-P", str(Path(byte_states.__file__))]
    body = _without_anchors(pattern)
    without_first = _without_first(body)
    first = "" if without_first is None else byte_states.FIRST
    try:
        done = subprocess.run(
            [*command, str(MOST_STATES), str(MOST_MEMORY), first],
            input=f"(?s) ?(?:{without_first or body})".encode(),
            capture_output=True,
            timeout=MOST_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        allowed = f"its automaton takes more than {MOST_SECONDS:.0f} seconds; a shorter one is less"
        raise InputError("format", pattern, allowed) from error
    if done.returncode == byte_states.REFUSED:
        reason = " ".join(done.stderr.decode(errors="replace").split())
        allowed = f"outlines-core refuses it ({reason}); look-around is not supported"
        raise InputError("format", pattern, allowed)
    if done.returncode == byte_states.TOO_MANY:
        allowed = f"its automaton has more than {MOST_STATES:,} states; smaller counts have fewer"
        raise InputError("format", pattern, allowed)
    if done.returncode:
        size = f"{MOST_MEMORY / 2**30:.1f} GiB"
        allowed = f"its automaton takes more than {size} of memory; smaller counts take less"
        raise InputError("format", pattern, allowed)
    values = np.frombuffer(done.stdout, np.int32)
    count = int(values[0])
    return values[1 : count + 1] > 0, values[count + 1 :].reshape(count, byte_states.BYTES)


def _without_anchors(pattern: str) -> str:
    """The pattern without `^` and `$` around it, which outlines-core refuses.

    They change nothing, since the whole text has to match.
    """
    pattern = pattern.removeprefix("^")
    body = pattern.removesuffix("$")
    escaped = (len(body) - len(body.rstrip("\\"))) % 2
    return pattern if escaped else body


def _without_first(pattern: str) -> str | None:
    """The pattern without `FIRST` in its sets, classes and dots; None where that is not known.

    It is not for nested sets, properties (`\\p`) and flags that a group takes back.
    """
    parts = []
    for token in TOKENS.finditer(pattern):
        text = token[0]
        if text in (r"\p", r"\P") or (token["set"] and "[" in text[1:]):
            return None
        if token["set"] or text in (r"\W", r"\S", r"\D"):
            text = f"[{text}--{byte_states.FIRST}]"
        elif text == ".":
            text = f"[^{byte_states.FIRST}]"
        parts.append(text)
    return None if "(?-" in pattern else "".join(parts)


def _over_tokens(
    pattern: str,
    final: NDArray,
    following: NDArray,
    tokens: Sequence[bytes],
    ends: Sequence[int],
) -> tuple[NDArray, NDArray]:
    """([S, C] the state after a token of each class or -1, [V] the class of each token)."""
    states = len(final)
    kind = np.dtype(np.int16 if states < 2**15 else np.int32)
    # The last row is of the state after a byte that may not follow.
    by_byte = np.full((states + 1, byte_states.BYTES), states, np.int32)
    by_byte[:-1] = np.where(following < 0, states, following)
    never, ending = np.full(states, -1, kind), np.where(final, np.arange(states), -1).astype(kind)
    columns, numbers = [never, ending], {never.tobytes(): 0}
    classes = np.zeros(max(len(tokens), *(end + 1 for end in ends)), np.int32)
    ids = [id for id in range(len(tokens)) if tokens[id] and id not in ends]
    ids.sort(key=lambda id: len(tokens[id]))
    for begin in range(0, len(ids), CHUNK):
        chunk = ids[begin : begin + CHUNK]
        after = _after(by_byte, [tokens[id] for id in chunk])
        after = np.where(after == states, -1, after).astype(kind)
        for id, column in zip(chunk, after, strict=True):
            number = numbers.setdefault(column.tobytes(), len(columns))
            if number == len(columns):
                columns.append(column)
            classes[id] = number
        if len(columns) * states * kind.itemsize > MOST_TABLE:
            size = f"{MOST_TABLE // 2**20} MiB"
            allowed = f"its table of tokens takes more than {size}; smaller counts take less"
            raise InputError("format", pattern, allowed)
    classes[list(ends)] = 1
    return np.stack(columns, axis=1), classes


def _after(by_byte: NDArray, tokens: Sequence[bytes]) -> NDArray:
    """[N, S]: the state after each token from each state; the shortest token is first."""
    states, lengths = len(by_byte) - 1, np.array([len(token) for token in tokens])
    padded = np.zeros((len(tokens), lengths[-1]), np.uint8)
    for row, token in enumerate(tokens):
        padded[row, : len(token)] = np.frombuffer(token, np.uint8)
    after = np.tile(np.arange(states, dtype=by_byte.dtype), (len(tokens), 1))
    for index in range(lengths[-1]):
        first = np.searchsorted(lengths, index, side="right")  # of the tokens that are longer
        after[first:] = by_byte[after[first:], padded[first:, index, None]]
    return after


def _shortest(table: NDArray, final: NDArray) -> NDArray:
    """[S]: the least number of tokens after which a text matches; `NEVER` if none does."""
    leads = np.zeros((len(final), len(final)), bool)
    for column in table.T:
        [sources] = np.nonzero(column >= 0)
        leads[sources, column[sources]] = True
    shortest, reached, length = np.full(len(final), NEVER, np.int32), final, 0
    while reached.any():
        shortest[reached] = length
        reached = leads[:, reached].any(axis=1) & (shortest == NEVER)
        length += 1
    return shortest
