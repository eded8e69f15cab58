"""One file for each table, named as the table."""
