"""The benchmark: this client and others, at the same work, at the same server, in one run."""
