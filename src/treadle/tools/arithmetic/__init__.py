"""What the calculator knows: its numbers, its notation, and the grammar that reads one with the other."""
