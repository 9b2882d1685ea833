"""Evaluation: datasets of cases, checks, reports and their comparison."""
