"""Padded lengths of batches."""

import pytest

from research.evaluation.batch import BUCKETS, bucket


@pytest.mark.parametrize("length", [1, 8, 9, 4097, 8192, 8193, 20_000, 32_768, 1_000_001])
def test_any_length_has_a_bucket(length: int):
    size = bucket(length)
    assert length <= size <= max(8, 2 * length)
    assert size in BUCKETS if length <= 8192 else size % 8192 == 0 and size - length < 8192
