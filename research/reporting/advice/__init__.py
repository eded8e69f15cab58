"""Which approach to take, by the records."""
