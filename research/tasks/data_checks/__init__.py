"""A look at a task's examples before anything is trained."""

from research.tasks.data_checks.checks import Found, Lengths, Part, Survey, survey
from research.tasks.data_checks.messages import summary, warnings

__all__ = ["Found", "Lengths", "Part", "Survey", "summary", "survey", "warnings"]
