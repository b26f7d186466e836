"""The curl pool: requests and bodies over TLS; redirects, limits and status to error; JSON through requests."""
