"""Stories of small events, with questions about them and a summary."""

from dataclasses import dataclass

from research.tasks.world.draw import Draw, a, sentence
from research.tasks.world.words import COLOURS, DAYS, JOBS, PEOPLE, SPOTS, THINGS, TOWNS, WOMEN

WEATHER = ("it rained all day", "the sun was out", "it was cold and windy", "snow lay on the roofs")
ASIDES = (
    "many people were about",
    "a dog barked in the street",
    "the bus was late",
    "somebody played the guitar",
    "the coffee there is famous",
    "there was a smell of fresh bread",
)
ENDS = (
    "went home happy",
    "slept well that night",
    "took the bus home",
    "wrote a long letter about it",
)


@dataclass(frozen=True)
class Story:
    """A person buys a thing and gives it to a friend.

    Attributes:
        person: Name of the person.
        job: The person's job.
        town: Where the person lives.
        day: Day of the week.
        spot: Where the thing is bought.
        thing: The thing.
        colour: Colour of the thing.
        friend: Name of the friend.
        frame: Irrelevant details: (weather, aside, end).
    """

    person: str
    job: str
    town: str
    day: str
    spot: str
    thing: str
    colour: str
    friend: str
    frame: tuple[str, str, str]

    @property
    def pronoun(self) -> str:
        return "she" if self.person in WOMEN else "he"

    def text(self) -> str:
        """The story in six sentences."""
        weather, aside, end = self.frame
        friend = self.friend
        return " ".join(
            map(
                sentence,
                (
                    f"{self.person} is a {self.job} in {self.town}",
                    f"on {self.day} {weather}, and {self.person} went to the {self.spot}",
                    aside,
                    f"{self.pronoun} bought {a(self.colour)} {self.thing} there",
                    f"later {self.pronoun} met {friend} and gave {friend} the {self.thing}",
                    f"then {self.person} {end}",
                ),
            )
        )

    def summary(self) -> str:
        """The main event in one sentence."""
        return f"{self.person} bought {a(self.colour)} {self.thing} for {self.friend}."

    def questions(self) -> tuple[tuple[str, str], ...]:
        """(question, answer) pairs; an answer is one to three words of the story."""
        return (
            (f"What is the job of {self.person}?", self.job),
            (f"Where does {self.person} work?", self.town),
            (f"When did {self.person} go out?", self.day),
            (f"Where did {self.person} go?", f"to the {self.spot}"),
            (f"What did {self.person} buy?", f"{a(self.colour)} {self.thing}"),
            (f"What colour is the {self.thing}?", self.colour),
            (f"Who has the {self.thing} now?", self.friend),
            (f"Who bought the {self.thing}?", self.person),
        )


def story(draw: Draw) -> Story:
    """A story; its summary is drawn either for tasks or for the corpus, never for both."""
    stories: list[Story] = []

    def summary() -> str:
        stories.append(_story(draw))
        return stories[-1].summary()

    draw.owned(summary)
    return stories[-1]


def _story(draw: Draw) -> Story:
    person, friend = draw.sample(PEOPLE, 2)
    return Story(
        person=person,
        job=draw.pick(JOBS),
        town=draw.pick(TOWNS),
        day=draw.pick(DAYS),
        spot=draw.pick(SPOTS),
        thing=draw.pick(THINGS),
        colour=draw.pick(COLOURS),
        friend=friend,
        frame=(draw.pick(WEATHER), draw.pick(ASIDES), draw.pick(ENDS)),
    )
