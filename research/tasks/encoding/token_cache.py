"""Token ids by text, so that no text is tokenized twice."""

import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import blake2b

MOST_BYTES = 64 * 2**20  # about 150,000 short texts
ENTRY_BYTES = 300  # of an entry beside its ids
LARGE = 16  # a text that takes more than one part in so many is not kept

Tokenize = Callable[[Sequence[str]], Sequence[Sequence[int]]]


class TokenCache:
    """Token ids by the hash of a text; threads may share it.

    Args:
        tokenize: the token ids of each text.
        most: maximum of the bytes that are kept, the least recently used texts dropped first.
    """

    def __init__(self, tokenize: Tokenize, most: int = MOST_BYTES) -> None:
        self._tokenize, self._most, self._bytes = tokenize, most, 0
        self._ids: OrderedDict[bytes, array[int]] = OrderedDict()  # the least recently used first
        self._lock = threading.Lock()

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of each text, in lists of the caller's own."""
        keys = {text: _key(text) for text in dict.fromkeys(texts)}
        with self._lock:
            ids = {text: self._ids[key] for text, key in keys.items() if key in self._ids}
            for text in ids:
                self._ids.move_to_end(keys[text])
        if missing := [text for text in keys if text not in ids]:
            rows = map(_compact, self._tokenize(missing))
            new = dict(zip(missing, rows, strict=True))
            ids |= new
            with self._lock:
                for text, row in new.items():
                    self._keep(keys[text], row)
        return [ids[text].tolist() for text in texts]

    def _keep(self, key: bytes, row: "array[int]") -> None:
        if key in self._ids or _size(row) * LARGE > self._most:
            return
        self._ids[key] = row
        self._bytes += _size(row)
        while self._bytes > self._most:
            self._bytes -= _size(self._ids.popitem(last=False)[1])


def _key(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _compact(row: Sequence[int]) -> "array[int]":
    return array("H" if max(row, default=0) < 2**16 else "i", row)


def _size(row: "array[int]") -> int:
    """Bytes of an entry."""
    return row.itemsize * len(row) + ENTRY_BYTES
