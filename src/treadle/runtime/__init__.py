"""What makes things happen: logs, the loop, one model call, one tool call, agents."""
