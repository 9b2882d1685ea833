"""Whether an agent does what it should: its trajectory, in tests and over many cases."""
