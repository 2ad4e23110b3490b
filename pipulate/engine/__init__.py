"""Runs of workflows, durable; works in a notebook without a web framework."""
