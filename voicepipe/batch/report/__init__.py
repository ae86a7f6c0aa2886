"""A run's report: one self-contained page that a QA team reads, and one that compares two runs."""
