"""What proves who we are: tokens, their files and sources, and the issuer they come from."""
