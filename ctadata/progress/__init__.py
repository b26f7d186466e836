"""Who is told while files move: terminal bars, plain lines, or nobody; `choice.choose` decides."""
