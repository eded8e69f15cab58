"""The embedded benchmark: a seeded world of English-like text, its corpus and its tasks."""

from research.tasks.world.corpus import VERSION, corpus
from research.tasks.world.task import RECIPES, WorldTask

__all__ = ["RECIPES", "VERSION", "WorldTask", "corpus"]
