"""Wordings of labelled items in the corpus: several patterns per skill and words per label."""

from collections.abc import Callable
from dataclasses import dataclass

from research.tasks.example import Example
from research.tasks.world import articles, requests, reviews, statements
from research.tasks.world.draw import Draw
from research.tasks.world.words import listed

QUESTIONS = (
    "{Cue}:",
    "{Cue}:",
    "The {cue}:",
    "The {cue} is",
    "My {cue}:",
    "What is the {cue}?",
    "Here is the {cue}:",
    "{Cue} of the text:",
)


@dataclass(frozen=True)
class Skill:
    """A kind of labelled text.

    Attributes:
        draw: Function that draws an example.
        labels: The labels.
        patterns: Patterns of the text.
        cues: Nouns for the label, used in `QUESTIONS`.
        questions: Complete phrases that ask for the label.
        scales: Label words in the order of `labels`, separated by spaces.
    """

    draw: Callable[[Draw], Example]
    labels: tuple[str, ...]
    patterns: tuple[str, ...]
    cues: tuple[str, ...]
    questions: tuple[str, ...]
    scales: tuple[str, ...]

    def wording(self, draw: Draw) -> tuple[str, dict[str, str]]:
        """A pattern that ends where the label belongs, and the label words."""
        if draw.chance(0.6):
            cue = draw.pick(self.cues)
            ask = draw.pick(QUESTIONS).format(cue=cue, Cue=cue.capitalize())
        else:
            ask = draw.pick(self.questions)
        pattern = draw.pick(self.patterns) + draw.pick((" ", "\n")) + ask
        return pattern, dict(zip(self.labels, draw.pick(self.scales).split(), strict=True))


SKILLS = {
    "review": Skill(
        reviews.review,
        reviews.LABELS,
        patterns=(
            "{text}",
            "Review: {text}",
            "Text: {text}",
            "Guest: {text}",
            "Comment: {text}",
            "Customer: {text}",
            "Somebody wrote: {text}",
            "A visitor told us: {text}",
        ),
        cues=listed("verdict rating opinion judgement feeling view mood conclusion"),
        questions=(
            "All in all it was",
            "I would call it",
            "The writer thinks it is",
            "They say that it is",
            "So it was",
            "In a word:",
        ),
        scales=("bad good", "bad good", "bad good", "negative positive"),
    ),
    "article": Skill(
        articles.article,
        articles.LABELS,
        patterns=(
            "{text}",
            "Article: {text}",
            "Text: {text}",
            "News: {text}",
            "Today: {text}",
            "The paper wrote: {text}",
            "Heard on the radio: {text}",
        ),
        cues=listed("topic subject section field theme area"),
        questions=(
            "Filed under",
            "This is about",
            "It is a piece of news on",
            "What is it about?",
            "The paper put it under",
            "I read this in the part on",
        ),
        scales=(
            "sport food travel weather money music health law",
            "sport food travel weather money music health law",
            "sport food travel weather money music health law",
            "games meals journeys climate finance songs medicine justice",
        ),
    ),
    "request": Skill(
        requests.draw_request,
        requests.LABELS,
        patterns=(
            "{text}",
            "Request: {text}",
            "Text: {text}",
            "Customer: {text}",
            "Message: {text}",
            "Mail: {text}",
            "Somebody called: {text}",
        ),
        cues=listed("intent action purpose folder matter aim"),
        questions=(
            "The customer asks about",
            "This is a question of",
            "What is it about?",
            "They want help with",
            "It has to do with",
            "Send it on to",
        ),
        scales=(
            "book cancel change price hours return repair route",
            "book cancel change price hours return repair route",
            "book cancel change price hours return repair route",
            "reserve stop alter cost times refund fix way",
        ),
    ),
    "statement": Skill(
        statements.statement,
        statements.LABELS,
        patterns=(
            "{premise} {hypothesis}",
            "Statement: {premise}\nClaim: {hypothesis}",
            "{premise}\nSo: {hypothesis}",
        ),
        cues=listed("answer reply"),
        questions=("Follows:", "True:", "Is that so?"),
        scales=("no yes", "no yes", "no yes", "false true"),
    ),
}

# Patterns of documents with label names of their own, whose meaning only earlier items show.
NAMELESS = (
    "Input: {}\nOutput: {}",
    "{} -> {}",
    "Text: {}\nLabel: {}",
    "{}\nClass: {}",
)
NAMES = listed("A B C D red blue green left right one two big small old new up down")
