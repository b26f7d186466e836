"""Show the progress of a run: bars on a terminal, plain lines, or a bar in a notebook."""
