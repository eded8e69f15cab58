"""Padded lengths of batches."""

import pytest

from research.evaluation.batch import BUCKETS, MOST_TOKENS, batch_size_at, bucket


@pytest.mark.parametrize("length", [1, 8, 9, 4097, 8192, 8193, 20_000, 32_768, 1_000_001])
def test_any_length_has_a_bucket(length: int):
    size = bucket(length)
    assert length <= size <= max(8, 2 * length)
    assert size in BUCKETS if length <= 8192 else size % 8192 == 0 and size - length < 8192


@pytest.mark.parametrize("devices", [1, 3, 8])
@pytest.mark.parametrize("size", [1, 5, 24, 32])
def test_batches_of_long_rows_have_fewer_rows(devices: int, size: int):
    size = -(-size // devices) * devices
    for width in BUCKETS:
        rows = batch_size_at(width, size, devices)
        assert rows % devices == 0 and devices <= rows <= size
        assert rows * width <= MOST_TOKENS or rows == devices
        assert rows == size or 2 * (rows + devices) * width > MOST_TOKENS
    assert batch_size_at(2048, 32) == 32 and batch_size_at(8192, 32) == 8
    assert batch_size_at(10 * MOST_TOKENS, size, devices) == devices
