"""A look at a task's examples before anything is trained."""

from research.tasks.survey.sentences import summary, warnings
from research.tasks.survey.survey import Found, Lengths, Part, Survey, survey

__all__ = ["Found", "Lengths", "Part", "Survey", "summary", "survey", "warnings"]
