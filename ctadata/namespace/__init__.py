"""What the commands do with the names of a store: list, walk, match, rename, delete. No byte of a file moves here."""
