"""Commands: one file for each; `main` is the one place where an error becomes words and an exit code."""
