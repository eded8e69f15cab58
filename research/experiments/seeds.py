"""What is random in a run, and the runs by which the parts of its variance can be told."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Seeds:
    """One number for each source of randomness.

    sample: which examples are drawn for train and dev. order: of the batches, with the dropout they
    meet, and of demonstrations (which of the sample stand before a row, and how they follow one
    another). initialisation: of the leaves that methods add.
    """

    sample: int
    order: int
    initialisation: int

    @classmethod
    def alike(cls, seed: int) -> "Seeds":
        """Those of an ordinary run, whose one number seeds every source."""
        return cls(seed, seed, seed)

    @property
    def plain(self) -> int | dict[str, int]:
        """As settings have it: the one number, where it is one."""
        return self.sample if self == self.alike(self.sample) else asdict(self)

    def __str__(self) -> str:
        return f"{self.sample}/{self.order}/{self.initialisation}"


def latin_square(levels: int) -> list[Seeds]:
    """Seeds 0 to `levels` - 1 of each source, so that any two sources have each pair once: a Latin
    square (Fisher 1935, ch. 5), of levels^2 runs where all combinations would be levels^3.

    levels: an odd number; then the seeds of ordinary runs are the diagonal of the square.
    """
    half = (levels + 1) // 2  # of 2, modulo an odd number
    every = range(levels)
    return [Seeds(a, b, (a + b) * half % levels) for a in every for b in every]
