"""Words that all kinds of texts use: people, towns, things, times."""


def listed(text: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(text.split())


WOMEN = listed("Anna Mary Lena Rosa Nora Ivy Clara Ella Sara Mia Emma Dora Ruth Vera Nina Kate")
MEN = listed("Tom Peter Omar Felix Hugo Jonas Max Ben Paul Leo Karl Sam Adam Oscar Eric Finn")
PEOPLE = tuple(name for pair in zip(WOMEN, MEN, strict=True) for name in pair)
TOWNS = listed(
    "Oslo Lund Bern Porto Turin Bath York Cork Riga Ghent Basel Leeds Nice Genoa Malta Prague "
    "Lisbon Dublin Madrid Athens"
)
COLOURS = listed("red blue green black white yellow brown grey")
ANIMALS = listed("lion horse swan fox bear eagle wolf dolphin rabbit tiger")
SIGNS = tuple(f"{c.title()} {a.title()}" for c in COLOURS[:6] for a in ANIMALS)
THINGS = listed(
    "hat lamp chair bag clock cup box key ring map bike radio camera guitar knife letter blanket "
    "mirror basket pillow"
)
SPOTS = listed(
    "market station museum library park harbour school church bridge castle beach cinema bakery "
    "garden"
)
JOBS = listed("baker teacher doctor farmer painter nurse driver singer lawyer sailor writer")
DAYS = listed("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
TIMES = (
    "this morning",
    "last night",
    "yesterday",
    "last week",
    "in May",
    "in June",
    "at noon",
    "in the evening",
    "early today",
    "last summer",
    "in winter",
)
COUNTS = listed("two three four five six seven eight nine ten")
