"""Find, get, store and inspect what proves the user's identity: tokens and access keys."""
