"""A look at a task's examples before anything is trained."""

from research.tasks.data_checks.checks import Found, Lengths, Part, TaskDataReport, task_data_report
from research.tasks.data_checks.messages import report_summary, warnings

__all__ = [
    "Found",
    "Lengths",
    "Part",
    "TaskDataReport",
    "report_summary",
    "task_data_report",
    "warnings",
]
