"""How the corpus words labelled items: several patterns a skill and several words a label."""

from collections.abc import Callable
from dataclasses import dataclass

from research.tasks.task import Example
from research.tasks.world import articles, requests, reviews, statements
from research.tasks.world.draw import Draw
from research.tasks.world.words import words


@dataclass(frozen=True)
class Skill:
    """A kind of labelled text: how it is shown, how its label is asked for, words for labels."""

    draw: Callable[[Draw], Example]
    labels: tuple[str, ...]
    shown: tuple[str, ...]
    asked: tuple[str, ...]
    scales: tuple[str, ...]  # label words in the order of `labels`

    def wording(self, draw: Draw) -> tuple[str, dict[str, str]]:
        """A pattern that ends where the label belongs, and the label words."""
        ask = draw.pick(self.asked)
        pattern = draw.pick(self.shown) + (draw.pick((" ", "\n")) + ask if ask else "")
        return pattern, dict(zip(self.labels, draw.pick(self.scales).split(), strict=True))


SKILLS = {
    "review": Skill(
        reviews.review,
        reviews.LABELS,
        shown=(
            "{text}",
            "Review: {text}",
            "Text: {text}",
            "Guest: {text}",
            "Comment: {text}",
            "Customer: {text}",
            "Somebody wrote: {text}",
            "A visitor told us: {text}",
        ),
        asked=(
            "Verdict:",
            "Rating:",
            "Opinion:",
            "Judgement:",
            "Feeling:",
            "In a word:",
            "All in all it was",
            "I would call it",
            "The writer thinks it is",
            "They say that it is",
        ),
        scales=("bad good", "bad good", "negative positive", "terrible excellent"),
    ),
    "article": Skill(
        articles.article,
        articles.LABELS,
        shown=(
            "{text}",
            "Article: {text}",
            "Text: {text}",
            "News: {text}",
            "Today: {text}",
            "The paper wrote: {text}",
            "Heard on the radio: {text}",
        ),
        asked=(
            "Topic:",
            "Subject:",
            "Section:",
            "Field:",
            "Filed under",
            "This is about",
            "It is a piece of news on",
            "What is it about?",
        ),
        scales=(
            "sport food travel weather money music health law",
            "sport food travel weather money music health law",
            "games meals journeys climate finance songs medicine justice",
        ),
    ),
    "request": Skill(
        requests.request,
        requests.LABELS,
        shown=(
            "{text}",
            "Request: {text}",
            "Text: {text}",
            "Customer: {text}",
            "Message: {text}",
            "Mail: {text}",
            "Somebody called: {text}",
        ),
        asked=(
            "Intent:",
            "Action:",
            "Purpose:",
            "Folder:",
            "Matter:",
            "The customer asks about",
            "This is a question of",
            "What is it about?",
        ),
        scales=(
            "book cancel change price hours return repair route",
            "book cancel change price hours return repair route",
            "reserve stop alter cost times refund fix way",
        ),
    ),
    "statement": Skill(
        statements.statement,
        statements.LABELS,
        shown=(
            "{premise} {hypothesis}",
            "Statement: {premise}\nClaim: {hypothesis}",
            "Fact: {premise}\nQuestion: {hypothesis}",
            "Given: {premise} Claim: {hypothesis}",
            "{premise}\nSo: {hypothesis}",
            "{premise} Does it follow? {hypothesis}",
            "We know: {premise} They say: {hypothesis}",
        ),
        asked=("", "Follows:", "Answer:", "True:", "Right:", "Is that so?"),
        scales=("no yes", "no yes", "false true"),
    ),
}

# Such a document gives two labels names of its own: only its earlier items say which is which.
NAMELESS = (
    "Input: {}\nOutput: {}",
    "{} -> {}",
    "Text: {}\nLabel: {}",
    "{}\nClass: {}",
)
NAMES = words("A B C D red blue green left right one two big small old new up down")
