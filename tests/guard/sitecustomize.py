"""Python runs this at start-up wherever PYTHONPATH names this folder: the guard reaches the tests' child processes."""

import loopback

loopback.install()
