"""The command line: options, output and errors. The commands are in `commands/`, one module for each.

`main` runs a command and turns an error into a message and an exit code. `app` builds the group of all commands from
`command_table`. A command module imports at its top what its command always needs; what opens connections (session,
agent) is imported in the functions, so that help and completion come without it.
"""
