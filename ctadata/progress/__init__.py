"""Who is told while files move: terminal bars, plain lines, or nobody; `reporters.choose` decides."""
