"""What a log means: events, the state after them, what to do next, what the model sees. Pure."""
