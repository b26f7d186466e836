"""The commands: read arguments, call a session, set the exit code."""
