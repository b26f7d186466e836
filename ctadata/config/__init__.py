"""Which site: profiles, environment and file; decided once, and every value remembers where it came from."""
