"""WebDAV servers (RFC 4918): the store, how its listings are read, and what some servers do otherwise."""
