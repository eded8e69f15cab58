"""Results as plain data, and back to the same bits."""

import json

import numpy as np
import pytest

from research.evaluation.decoding.generated import Generated
from research.evaluation.result_cache import ResultCache
from research.training.json_numbers import from_json_numbers, to_json_numbers

SCORES = np.array([[0.1, -np.inf], [np.nan, 1 / 3]], np.float32)
TEXTS = Generated(
    np.array([[3, 0], [4, 5]], np.int32),
    np.array([1, 2], np.int32),
    np.array([-0.5, np.nan], np.float32),
    np.zeros((), np.int32),
)


@pytest.mark.parametrize("result", [SCORES, SCORES[:0], 1 / 3, np.nan, TEXTS], ids=type)
def test_plain_data_has_the_same_bits(result):
    plain = to_json_numbers(ResultCache({"a": result}).plain())
    read = from_json_numbers(json.loads(json.dumps(plain, allow_nan=False)))
    again = ResultCache.of_plain(read)("a", lambda: None)
    assert type(again) is (float if isinstance(result, float) else type(result))
    pairs = zip(again, result, strict=True) if isinstance(result, Generated) else [(again, result)]
    for found, expected in pairs:
        np.testing.assert_array_equal(found, expected, strict=isinstance(expected, np.ndarray))


def test_each_result_is_computed_at_most_once():
    cache = ResultCache({"a": 1.0})
    assert [cache(key, lambda: 2.0) for key in ("a", "b")] == [1.0, 2.0]
    assert cache("b", lambda: 3.0) == 2.0
