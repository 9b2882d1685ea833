"""Anthropic Messages: the dialect of Claude, with its thinking, its cache and its own tools."""
