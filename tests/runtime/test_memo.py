"""Threads compute the value of a key once and wait only for the same key."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from research.runtime.memo import Memo


def test_different_keys_do_not_wait_for_each_other():
    """Each computation ends only when the other has begun."""
    memo, both = Memo(), threading.Barrier(2, timeout=10)
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(memo, key, lambda: both.wait() >= 0) for key in "ab"]
        assert [future.result() for future in futures] == [True, True]


def test_the_same_key_is_computed_once():
    memo, calls, start = Memo(), [], threading.Barrier(4)

    def ask() -> int:
        start.wait(timeout=10)
        return memo("key", compute)

    def compute() -> int:
        calls.append(1)
        time.sleep(0.05)
        return len(calls)

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(ask) for _ in range(4)]
        assert [future.result() for future in futures] == [1, 1, 1, 1]
    assert memo("key", compute) == 1 and calls == [1]


def test_the_least_recently_used_value_is_dropped():
    memo, computed = Memo(size=2), []

    def ask(key: str) -> str:
        return memo(key, lambda: computed.append(key) or key)

    assert [ask(key) for key in "abacabc"] == list("abacabc")
    assert "".join(computed) == "abcbc"


def test_an_error_is_raised_and_not_remembered():
    memo = Memo()

    def fail() -> None:
        raise ValueError("no value")

    with pytest.raises(ValueError, match="no value"):
        memo("key", fail)
    assert memo("key", lambda: 1) == 1


def test_a_value_may_need_another_value():
    memo = Memo()
    assert memo("outer", lambda: memo("inner", lambda: 1) + 1) == 2


def test_only_the_first_call_adds_a_key():
    memo = Memo()
    assert [memo.add(key) for key in "aab"] == [True, False, True]
