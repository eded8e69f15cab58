"""Seeds of a run, and seeds that separate the sources of its variance."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Seeds:
    """One seed for each source of randomness.

    Attributes:
        sample: seed of the examples that are drawn for train and dev.
        order: seed of the order of batches, of dropout, and of the choice and order of
            demonstrations.
        initialisation: seed of the leaves that methods add.
    """

    sample: int
    order: int
    initialisation: int

    @classmethod
    def alike(cls, seed: int) -> "Seeds":
        """The seeds of an ordinary run, where one number seeds every source."""
        return cls(seed, seed, seed)

    @property
    def plain(self) -> int | dict[str, int]:
        """JSON data for the settings of a run: one number where all seeds are equal."""
        return self.sample if self == self.alike(self.sample) else asdict(self)

    def __str__(self) -> str:
        return f"{self.sample}/{self.order}/{self.initialisation}"


def latin_square(levels: int) -> list[Seeds]:
    """A Latin square of seeds 0 to `levels` - 1 (Fisher 1935, ch. 5).

    Each pair of seeds of two sources occurs once, in levels^2 runs instead of levels^3.

    levels: an odd number; then the diagonal has the seeds of ordinary runs.
    """
    half = (levels + 1) // 2  # the inverse of 2 modulo an odd number
    numbers = range(levels)
    return [Seeds(a, b, (a + b) * half % levels) for a in numbers for b in numbers]
