"""Checks of a task's examples before training."""

from research.tasks.data_checks.checks import task_data_report
from research.tasks.data_checks.messages import report_summary, warnings
from research.tasks.data_checks.report import FlaggedRows, Lengths, SplitReport, TaskDataReport

__all__ = [
    "FlaggedRows",
    "Lengths",
    "SplitReport",
    "TaskDataReport",
    "report_summary",
    "task_data_report",
    "warnings",
]
