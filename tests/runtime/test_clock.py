"""Seconds by purpose: nested purposes, errors, threads."""

import threading
import time

import pytest

from research.runtime import clock
from research.runtime.clock import OTHER, seconds_by_purpose, seconds_since, spent_on


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch):
    """Sets the time of the clock; calls of the function let seconds pass."""
    now = [time.perf_counter()]

    def let_pass(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(clock, "_clock", clock._Clock())
    monkeypatch.setattr(clock.time, "perf_counter", lambda: now[0])
    clock._clock.since = now[0]
    return let_pass


def test_nested_purposes_are_subtracted(ticks):
    begin = seconds_by_purpose()
    ticks(1)
    with spent_on("training"):
        ticks(2)
        with spent_on("compiling"):
            ticks(4)
            with spent_on("training"):
                ticks(8)
        ticks(16)
    ticks(32)
    assert seconds_since(begin) == pytest.approx({OTHER: 33, "training": 26, "compiling": 4})


def test_seconds_before_an_error_count(ticks):
    begin = seconds_by_purpose()
    with pytest.raises(KeyError), spent_on("scoring"):
        ticks(3)
        raise KeyError
    ticks(5)
    assert seconds_since(begin) == pytest.approx({OTHER: 5, "scoring": 3})


def test_a_difference_within_a_purpose(ticks):
    """The purpose has not ended, and its seconds so far count."""
    with spent_on("training"):
        ticks(1)
        begin = seconds_by_purpose()
        ticks(2)
        assert seconds_since(begin) == pytest.approx({OTHER: 0, "training": 2})


def test_the_sum_is_the_wall_time():
    begin, begun = seconds_by_purpose(), time.perf_counter()
    for _ in range(50):
        with spent_on("training"), spent_on("compiling"):
            time.sleep(0.0005)
    wall = time.perf_counter() - begun
    assert sum(seconds_since(begin).values()) == pytest.approx(wall, abs=0.005)


def test_a_thread_has_a_clock_of_its_own():
    begin = seconds_by_purpose()

    def work() -> None:
        with spent_on("saving checkpoints"):
            time.sleep(0.01)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert set(seconds_since(begin)) == {OTHER}
