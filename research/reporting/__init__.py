"""From run records to statements: intervals, paired tests and tables."""
