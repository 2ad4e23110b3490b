"""Local-first, step-by-step workflows with a local language model in them."""
