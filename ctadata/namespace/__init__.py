"""What can be done with the names of a store: listing, walking and matching them; no byte of a file moves here."""
