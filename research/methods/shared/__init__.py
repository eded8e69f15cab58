"""What several methods use: leaves, dropout, patterns, files of prompts, merging."""
