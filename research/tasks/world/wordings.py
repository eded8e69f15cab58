"""How the corpus words labelled items: several patterns a skill and several words a label."""

from collections.abc import Callable
from dataclasses import dataclass

from research.tasks.task import Example
from research.tasks.world import articles, requests, reviews, statements
from research.tasks.world.draw import Draw
from research.tasks.world.words import words


@dataclass(frozen=True)
class Skill:
    """A kind of labelled text, the patterns it is put in and the words for its labels, in order."""

    draw: Callable[[Draw], Example]
    labels: tuple[str, ...]
    wordings: tuple[tuple[str, tuple[str, ...]], ...]  # (pattern, scales)


JUDGEMENT = ("bad good", "poor great", "negative positive", "terrible excellent")
REVIEWS = (
    ("Review: {text}\nVerdict: {label}", JUDGEMENT),
    ("{text} Verdict: {label}", JUDGEMENT),
    ("{text} I would call it {label}.", JUDGEMENT),
    ("Text: {text}\nRating: {label}", JUDGEMENT),
    ("{text}\nAll in all it was {label}.", JUDGEMENT),
    ("Guest: {text}\nOpinion: {label}", JUDGEMENT),
    ("{text}\nRecommended: {label}", ("no yes",)),
    ("{text} Would I do it again? {label}", ("never certainly", "no yes")),
    ("Comment: {text}\nFeeling: {label}", ("negative positive", "angry happy", "sad glad")),
)

TOPIC = (
    "sport food travel weather money music health law",
    "games meals journeys climate finance songs medicine justice",
)
ARTICLES = (
    ("Article: {text}\nTopic: {label}", TOPIC),
    ("{text} Topic: {label}", TOPIC),
    ("News: {text}\nThis is about {label}.", TOPIC),
    ("{text}\nSection: {label}", TOPIC),
    ("{text} Filed under {label}.", TOPIC),
    ("Text: {text}\nSubject: {label}", TOPIC),
)

INTENT = (
    "book cancel change price hours return repair route",
    "reserve stop alter cost times refund fix way",
)
REQUESTS = (
    ("Request: {text}\nIntent: {label}", INTENT),
    ("{text} Intent: {label}", INTENT),
    ("Customer: {text}\nAction: {label}", INTENT),
    ("Message: {text}\nThe customer asks about: {label}", INTENT),
    ("{text}\nPurpose: {label}", INTENT),
    ("Mail: {text}\nFolder: {label}", INTENT),
)

TRUTH = ("no yes", "wrong right", "false true")
STATEMENTS = (
    ("{premise} Does it follow? {hypothesis} {label}", TRUTH),
    ("Statement: {premise}\nClaim: {hypothesis}\nFollows: {label}", TRUTH),
    ("{premise}\nSo is this so? {hypothesis}\nAnswer: {label}", TRUTH),
    ("Fact: {premise}\nQuestion: {hypothesis}\nAnswer: {label}", TRUTH),
    ("{premise} Hence: {hypothesis} {label}", TRUTH),
    ("Given: {premise}\nClaim: {hypothesis}\nTrue or false: {label}", ("false true",)),
)

SKILLS = {
    "review": Skill(reviews.review, reviews.LABELS, REVIEWS),
    "article": Skill(articles.article, articles.LABELS, ARTICLES),
    "request": Skill(requests.request, requests.LABELS, REQUESTS),
    "statement": Skill(statements.statement, statements.LABELS, STATEMENTS),
}

# Such a document gives two labels names of its own: only its earlier items say which is which.
NAMELESS = (
    "Input: {}\nOutput: {}",
    "{} -> {}",
    "Text: {}\nLabel: {}",
    "{}\nClass: {}",
)
NAMES = words("A B C D red blue green left right one two big small old new up down")
