"""Readers of logs: what happened, what would happen next, and where two threads part."""
