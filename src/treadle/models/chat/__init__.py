"""Chat completions: the dialect that most servers speak."""
