"""The files that `treadle init` writes: an agent, its tests, what runs them."""
