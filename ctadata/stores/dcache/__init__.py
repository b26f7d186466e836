"""What dCache adds to WebDAV: its doors, its REST interface, its tape, and the ways to them."""
