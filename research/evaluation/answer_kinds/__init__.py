"""Answer kinds: labels, texts, numbers and choices of an item's own, one file each."""
