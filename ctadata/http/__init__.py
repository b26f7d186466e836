"""HTTP requests with libcurl: TLS, redirects, time limits and retries; a failure becomes an error of this package."""
