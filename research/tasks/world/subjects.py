"""Vocabulary of articles: actors, deeds with a slot for a noun, and nouns of each topic."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Subject:
    """The vocabulary of a topic.

    Attributes:
        actors: Nouns for people and groups.
        deeds: Predicates with a slot for a noun.
        nouns: Nouns for things.
    """

    actors: tuple[str, ...]
    deeds: tuple[str, ...]
    nouns: tuple[str, ...]


def _subject(actors: str, deeds: str, nouns: str) -> Subject:
    return Subject(*(tuple(text.split(", ")) for text in (actors, deeds, nouns)))


SUBJECTS = {
    "sport": _subject(
        "coach, goalkeeper, team, striker, champion, referee",
        "won the {}, trained for the {}, lost the {}, missed the {}",
        "match, race, final, league, cup, tournament, medal, goal, penalty, marathon, relay, derby",
    ),
    "food": _subject(
        "cook, baker, waiter, chef, farmer, butcher",
        "tasted the {}, served the {}, fried the {}, burnt the {}",
        "soup, cheese, bread, pasta, cake, salad, butter, onion, sauce, recipe, pie, dinner",
    ),
    "travel": _subject(
        "tourist, pilot, passenger, sailor, guide, captain",
        "reached the {}, crossed the {}, left the {}, photographed the {}",
        "harbour, airport, island, border, coast, ferry, train, canal, hotel, desert, cabin, path",
    ),
    "weather": _subject(
        "forecaster, village, valley, coastguard, region, shepherd",
        "was hit by the {}, feared the {}, hid from the {}, measured the {}",
        "storm, rain, frost, snow, wind, flood, fog, thunder, heat, hail, drought, clouds",
    ),
    "money": _subject(
        "bank, broker, investor, minister, trader, accountant",
        "paid the {}, raised the {}, cut the {}, taxed the {}",
        "loan, budget, price, wage, profit, debt, tax, market, rent, shares, fee, savings",
    ),
    "music": _subject(
        "singer, pianist, band, composer, choir, violinist",
        "sang the {}, rehearsed the {}, recorded the {}, played the {}",
        "song, opera, album, melody, concert, chorus, sonata, guitar, drum, waltz, anthem, tune",
    ),
    "health": _subject(
        "doctor, nurse, patient, surgeon, dentist, clinic",
        "treated the {}, suffered from the {}, examined the {}, cured the {}",
        "fever, wound, cough, illness, headache, vaccine, injury, flu, bone, tooth, virus, allergy",
    ),
    "law": _subject(
        "judge, lawyer, thief, witness, police, jury",
        "solved the {}, denied the {}, punished the {}, reported the {}",
        "crime, trial, theft, verdict, fraud, murder, robbery, oath, prison, arrest, appeal, clue",
    ),
}

COMMON_DEEDS = (
    "talked about the {}",
    "was proud of the {}",
    "waited for the {}",
    "complained about the {}",
    "thought of the {}",
    "wrote about the {}",
)
