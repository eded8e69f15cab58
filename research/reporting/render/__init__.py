"""Markdown, LaTeX, terminal and HTML."""
