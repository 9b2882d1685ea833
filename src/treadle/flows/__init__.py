"""Durable flows: an async function whose steps are calls in the log of its thread. Read branch, steps, course, flow."""
