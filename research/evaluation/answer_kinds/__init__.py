"""Answer kinds: labels, texts and numbers, one file each."""
