"""The model that lives in the app: providers, memory, tools, soul."""
