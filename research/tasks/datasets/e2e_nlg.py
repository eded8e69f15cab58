"""E2E NLG: sentences about restaurants from attributes (Novikova et al. 2017, arXiv 1706.09254)."""

from dataclasses import dataclass
from pathlib import Path

from research.common.paths import resolve_path
from research.tasks.datasets.tables import read_file
from research.tasks.decoding import Decoding
from research.tasks.example import Example, grouped
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import FreeText
from research.tasks.sampling import at_most
from research.tasks.task_settings import Outline, TaskSettings
from research.tasks.text_task import TextTask


@dataclass(frozen=True, kw_only=True)
class E2ETask(TaskSettings):
    """Settings of E2E NLG.

    Attributes:
      folder: contains the files.
      name: of the task.
      train: CSV as published (columns mr and ref), one row per reference.
      dev: in the same format; None draws dev from train.
      test: in the same format.
      most_test: number of test inputs that are scored, a fixed random sample; None for all.
      templates: prompts with the column `mr`.
      end: text that ends a target; "" for the EOS token, as in the LoRA paper.
      metric: headline metric.
      decoding: how texts are generated.
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
        """The task without its examples; reads no file."""
        return Outline(self.name, (), tuple(map(Template, self.templates)))

    def load(self) -> TextTask:
        """Raises InputError for files that are missing or in another format."""
        folder = Path(resolve_path(self.folder, "folder"))
        test = at_most(_examples(folder / self.test), self.most_test)
        return TextTask(
            name=self.name,
            labels=(),
            templates=tuple(map(Template, self.templates)),
            verbalizer=FreeText(end=self.end),
            train=_examples(folder / self.train),
            test=test,
            dev=() if self.dev is None else _examples(folder / self.dev),
            metric=self.metric,
            decoding=self.decoding,
        )


def _examples(file: Path) -> tuple[Example, ...]:
    """One example per meaning representation, with the references of all its rows."""
    table = read_file(str(file))
    rows = zip(table.column("mr"), table.column("ref"), strict=True)
    # Some published references contain line breaks without meaning.
    return grouped(({"mr": mr.strip()}, [" ".join(ref.split())]) for mr, ref in rows)
