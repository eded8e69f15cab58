"""Records of small tables: as a sentence, in an exact format, and queried in SQL."""

from collections.abc import Mapping
from dataclasses import dataclass

from research.tasks.world.draw import Draw, sentence
from research.tasks.world.words import JOBS, PEOPLE, SIGNS, TOWNS

Row = Mapping[str, str | int]
COLUMNS = {
    "hotels": ("name", "city", "price", "stars"),
    "staff": ("name", "job", "city", "age"),
    "films": ("name", "city", "year", "hours"),
}
SENTENCES = {
    "hotels": (
        "the {name} in {city} has {stars} stars, and a room costs {price}",
        "for {price} a night you can stay at the {name}, a hotel with {stars} stars in {city}",
        "in {city} there is the {name}: {stars} stars, {price} for a room",
    ),
    "staff": (
        "{name} is {age} years old and works as a {job} in {city}",
        "our {job} in {city} is {name}, aged {age}",
        "{name}, {age}, lives in {city} and is a {job}",
    ),
    "films": (
        "the film {name} was made in {city} in {year} and lasts {hours} hours",
        "in {year} the film {name} came out; it takes {hours} hours and plays in {city}",
        "{name} is a film of {hours} hours from {year}, set in {city}",
    ),
}


@dataclass(frozen=True)
class Record:
    """A row of a table.

    Attributes:
        table: Name of the table.
        row: Value by column.
    """

    table: str
    row: Row

    def sentence(self, draw: Draw) -> str:
        """The row as an English sentence."""
        pattern = draw.pick(SENTENCES[self.table])
        return sentence(pattern.format(**self.row))

    def written(self, style: str = "lines") -> str:
        """The row in an exact format: `lines` is `name: Blue Fox; city: Oslo`, `json` is JSON."""
        if style == "lines":
            return "; ".join(f"{column}: {self.row[column]}" for column in COLUMNS[self.table])
        pairs = (f'"{column}": "{self.row[column]}"' for column in COLUMNS[self.table])
        return "{" + ", ".join(pairs) + "}"


def draw_record(draw: Draw, table: str) -> Record:
    """A row of a table; a row is drawn either for tasks or for the corpus, never for both."""
    drawn: list[Record] = []

    def written() -> str:
        drawn.append(_record(draw, table))
        return drawn[-1].written()

    draw.owned(written)
    return drawn[-1]


def _record(draw: Draw, table: str) -> Record:
    row: dict[str, str | int] = {"city": draw.pick(TOWNS)}
    if table == "staff":
        row |= {"name": draw.pick(PEOPLE), "job": draw.pick(JOBS), "age": 20 + draw.below(50)}
    else:
        row["name"] = draw.pick(SIGNS)
    if table == "hotels":
        row |= {"price": 10 * (2 + draw.below(18)), "stars": 1 + draw.below(5)}
    if table == "films":
        row |= {"year": 1960 + draw.below(60), "hours": 1 + draw.below(3)}
    return Record(table, row)


# (question, query) by table; {city}, {name}, {job} and {number} are slots.
QUERIES = {
    "hotels": (
        ("how many hotels are in {city}", "SELECT COUNT(*) FROM hotels WHERE city = '{city}'"),
        ("what does a room at the {name} cost", "SELECT price FROM hotels WHERE name = '{name}'"),
        (
            "which hotels in {city} cost less than {number}",
            "SELECT name FROM hotels WHERE city = '{city}' AND price < {number}",
        ),
        (
            "name the hotels with more than {stars} stars",
            "SELECT name FROM hotels WHERE stars > {stars}",
        ),
        (
            "what is the highest price in {city}",
            "SELECT MAX(price) FROM hotels WHERE city = '{city}'",
        ),
    ),
    "staff": (
        ("how many people work as a {job}", "SELECT COUNT(*) FROM staff WHERE job = '{job}'"),
        ("where does {person} work", "SELECT city FROM staff WHERE name = '{person}'"),
        (
            "who works as a {job} in {city}",
            "SELECT name FROM staff WHERE job = '{job}' AND city = '{city}'",
        ),
        ("who is older than {number}", "SELECT name FROM staff WHERE age > {number}"),
        ("how old is the youngest {job}", "SELECT MIN(age) FROM staff WHERE job = '{job}'"),
    ),
    "films": (
        ("when was {name} made", "SELECT year FROM films WHERE name = '{name}'"),
        ("how many films were made in {city}", "SELECT COUNT(*) FROM films WHERE city = '{city}'"),
        (
            "which films last longer than {stars} hours",
            "SELECT name FROM films WHERE hours > {stars}",
        ),
        (
            "name the films from {city} made after {year}",
            "SELECT name FROM films WHERE city = '{city}' AND year > {year}",
        ),
        ("how many films came out in {year}", "SELECT COUNT(*) FROM films WHERE year = {year}"),
    ),
}


def query(draw: Draw) -> tuple[str, str, str]:
    """(table, question, SQL)."""
    table = draw.pick(tuple(QUERIES))
    drawn: list[tuple[str, str]] = []

    def sql() -> str:
        drawn.append(_query(draw, table))
        return drawn[-1][1]

    draw.owned(sql)
    return table, *drawn[-1]


def _query(draw: Draw, table: str) -> tuple[str, str]:
    question, sql = draw.pick(QUERIES[table])
    slots = {
        "city": draw.pick(TOWNS),
        "name": draw.pick(SIGNS),
        "person": draw.pick(PEOPLE),
        "job": draw.pick(JOBS),
        "number": str(10 * (2 + draw.below(10))),
        "stars": str(1 + draw.below(4)),
        "year": str(1960 + draw.below(60)),
    }
    return sentence(question.format(**slots))[:-1] + "?", sql.format(**slots)
