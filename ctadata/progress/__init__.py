"""Who is told of a run: terminal bars, plain lines, nobody."""
