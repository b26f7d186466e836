"""The doctor: checks of everything that a transfer needs, and advice for each that fails."""
