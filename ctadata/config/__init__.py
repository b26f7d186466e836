"""The configuration of one site: profiles from arguments, environment, settings file and built-in values.

Each value remembers its origin.
"""
