"""Serves any workflow in the browser."""
