"""From run records to tables, figures, a page and advice."""
