"""What a log means: events, the state they fold to, what to do next, what the model sees. Pure: no I/O, no clock."""
