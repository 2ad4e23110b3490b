"""One file, one command of `pipulate`; `cli` is their table of contents."""
