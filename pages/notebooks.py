"""Notebooks: those that were saved, drafts, and examples to begin with."""

from notebooks.editing.shelf import show_shelf

show_shelf()
