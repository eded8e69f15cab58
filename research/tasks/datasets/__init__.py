"""One file for each source of examples."""
