"""Vocabulary of reviews: goods, their aspects, words of praise and of blame."""

from dataclasses import dataclass

from research.tasks.world.words import listed


@dataclass(frozen=True)
class Goods:
    """A kind of thing that people review.

    Attributes:
        noun: Its name.
        aspects: Parts that can be judged.
        praise: Positive adjectives for them.
        blame: Negative adjectives for them.
        facts: Neutral clauses.
    """

    noun: str
    aspects: tuple[str, ...]
    praise: tuple[str, ...]
    blame: tuple[str, ...]
    facts: tuple[str, ...]


def _goods(noun: str, aspects: str, praise: str, blame: str, *facts: str) -> Goods:
    return Goods(noun, listed(aspects), listed(praise), listed(blame), facts)


GOODS = (
    _goods("film", "plot acting music ending cast dialogue", "gripping funny moving clever",
           "boring long silly predictable", "we saw it at the cinema", "it lasts two hours"),
    _goods("museum", "exhibition guide entrance tour collection shop", "interesting lively rich",
           "crowded dusty dark confusing", "we stayed until noon", "it is next to the park"),
    _goods("restaurant", "soup bread service dessert waiter menu", "tasty fresh friendly delicious",
           "salty stale bland rude", "we sat by the window", "we came at eight"),
    _goods("concert", "band sound stage singer lighting finale", "powerful lively warm thrilling",
           "flat noisy shaky tired", "it began at nine", "we stood near the door"),
    _goods("hotel", "room bed breakfast bathroom view staff", "clean quiet comfortable cosy",
           "dirty noisy damp small", "we stayed for two nights", "it is near the station"),
    _goods("train", "seat carriage ticket trip heating driver", "fast punctual smooth spacious",
           "late slow cramped crowded", "we left at six", "it goes to the coast"),
    _goods("phone", "screen battery camera speaker keyboard case", "sharp fast light solid",
           "slow heavy fragile dim", "I bought it last week", "it came in a box"),
    _goods("coat", "fabric collar lining zip colour cut", "soft warm elegant light",
           "thin itchy stiff ugly", "I wear it to work", "it was a gift"),
    _goods("book", "story style hero chapter language cover", "gripping clever witty touching",
           "dull confusing long shallow", "I read it on the train", "it has ten chapters"),
    _goods("game", "level design puzzle music hero control", "exciting clever smooth addictive",
           "clumsy dull unfair repetitive", "I played it with Ben", "it came out in May"),
    _goods("shop", "choice staff price counter display parking", "helpful fair friendly tidy",
           "rude messy unfair narrow", "I went there on Friday", "it is in the old town"),
    _goods("course", "teacher lesson material exam homework pace", "clear helpful useful lively",
           "confusing useless dull chaotic", "it took six weeks", "we met on Mondays"),
)  # fmt: skip

MILD_PRAISE = listed("good nice pleasant decent fine lovely")
MILD_BLAME = listed("bad poor weak disappointing mediocre unpleasant")
STRONG_PRAISE = listed("wonderful excellent superb brilliant perfect fantastic")
STRONG_BLAME = listed("terrible awful dreadful horrible disgusting hopeless")
LIKED = ("loved", "liked", "enjoyed", "admired", "adored")
DISLIKED = ("hated", "disliked", "regretted", "detested", "could not stand")
