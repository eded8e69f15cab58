"""Tables as Markdown, LaTeX, terminal output and HTML."""
