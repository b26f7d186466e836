"""WebDAV servers (RFC 4918): the store, the parser of listings, and what some servers do differently."""
