"""For tests: a pytest plugin, recorded threads, assertions on what an agent did."""
