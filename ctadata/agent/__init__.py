"""The process that keeps a token fresh."""
