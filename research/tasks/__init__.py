"""Tasks by source: a new one is a file here and a line in `TASKS`."""

from research.tasks.ag_news import AGNewsTask
from research.tasks.files import FileTask
from research.tasks.world import WorldTask

TASKS: dict[str, type] = {"ag_news": AGNewsTask, "file": FileTask, "world": WorldTask}
