"""Tests of agents: assertions, recorded threads, the pytest plugin."""
