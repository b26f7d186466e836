"""Makes the documentation: the site, the man pages, the completion files and the pictures of a terminal."""
