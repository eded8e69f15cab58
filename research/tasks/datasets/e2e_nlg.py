"""E2E NLG: sentences about restaurants from attributes (Novikova et al. 2017, arXiv 1706.09254)."""

from dataclasses import dataclass
from pathlib import Path

from research.common.paths import resolve_path
from research.tasks.datasets.tables import read_file
from research.tasks.decoding import Decoding
from research.tasks.prompts.template import Template
from research.tasks.sampling import at_most
from research.tasks.task import Example, Outline, TaskSettings
from research.tasks.text_task import FreeText, TextTask, grouped


@dataclass(frozen=True, kw_only=True)
class E2ETask(TaskSettings):
    """folder: where the files are. train, dev, test: CSV as published (mr, ref), a row for each
    reference; dev None to draw it from train. most_test: how many inputs of test are scored, a
    fixed draw; None for all. end: of a target; "" for the EOS token, as in the LoRA paper.
    """

    folder: str
    name: str = "e2e_nlg"
    train: str = "trainset.csv"
    dev: str | None = "devset.csv"
    test: str = "testset_w_refs.csv"
    most_test: int | None = None
    templates: tuple[str, ...] = (
        "{mr}\nDescription:",
        "{mr}\nIn words:",
        "Restaurant: {mr}\nText:",
    )
    end: str = "\n"
    metric: str = "bleu"
    decoding: Decoding = Decoding(max_new_tokens=96)

    def outline(self) -> Outline:
        """What a plan has to know; no file is read."""
        return Outline(self.name, (), tuple(map(Template, self.templates)))

    def load(self) -> TextTask:
        """Raises InputError for files that are missing or of another form."""
        folder = Path(resolve_path(self.folder, "folder"))
        test = at_most(_examples(folder / self.test), self.most_test)
        return TextTask(
            self.name,
            (),
            tuple(map(Template, self.templates)),
            FreeText(end=self.end),
            _examples(folder / self.train),
            test,
            () if self.dev is None else _examples(folder / self.dev),
            metric=self.metric,
            decoding=self.decoding,
        )


def _examples(file: Path) -> tuple[Example, ...]:
    """An example for each meaning representation, with the references of all its rows."""
    table = read_file(str(file))
    rows = zip(table.column("mr"), table.column("ref"), strict=True)
    # Some references of the published files hold line breaks, which mean nothing.
    return grouped(({"mr": mr.strip()}, [" ".join(ref.split())]) for mr, ref in rows)
