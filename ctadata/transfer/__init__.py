"""plan, execute, verify: files between a store and this machine, whole or not at all."""
