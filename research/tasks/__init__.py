"""Registry of tasks by source; a new task is a file and a line in `TASKS`."""

from research.tasks.datasets.ag_news import AGNewsTask
from research.tasks.datasets.choice_files import ChoiceFileTask
from research.tasks.datasets.e2e_nlg import E2ETask
from research.tasks.datasets.file_task import FileTask
from research.tasks.datasets.geoquery import GeoQueryTask
from research.tasks.datasets.gsm8k import GSM8KTask
from research.tasks.datasets.metamathqa import MetaMathQATask
from research.tasks.datasets.number_files import NumberFileTask
from research.tasks.datasets.sentences import SentencesTask
from research.tasks.datasets.superglue_copa import COPATask
from research.tasks.datasets.superglue_record import ReCoRDTask
from research.tasks.datasets.superglue_wsc import WSCTask
from research.tasks.datasets.text_files import TextFileTask
from research.tasks.lm_eval.source import LMEvalTask
from research.tasks.task_settings import TaskSettings
from research.tasks.world import WorldTask

TASKS: dict[str, type[TaskSettings]] = {
    "ag_news": AGNewsTask,
    "choice_file": ChoiceFileTask,
    "e2e_nlg": E2ETask,
    "file": FileTask,
    "geoquery": GeoQueryTask,
    "gsm8k": GSM8KTask,
    "lm_eval": LMEvalTask,
    "metamathqa": MetaMathQATask,
    "number_file": NumberFileTask,
    "sentences": SentencesTask,
    "superglue_copa": COPATask,
    "superglue_record": ReCoRDTask,
    "superglue_wsc": WSCTask,
    "text_file": TextFileTask,
    "world": WorldTask,
}
