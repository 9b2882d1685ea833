"""The calculator's arithmetic: notation, grammar, numbers. Exact where possible, bounded always."""
