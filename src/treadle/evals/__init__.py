"""Evaluation: cases with checks, run any number of times, reported and compared."""
