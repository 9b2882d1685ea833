"""What makes things happen: a log, the loop that drives it, one model call, one tool call, agents."""
