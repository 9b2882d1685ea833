"""Durable flows: async functions whose steps are calls in a log. Read steps, flow_run, flow."""
