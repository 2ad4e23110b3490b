"""Botify: the API client, and a faithful local simulator of that API."""
