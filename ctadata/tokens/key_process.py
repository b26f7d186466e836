"""Get an access key from a program, as `credential_process` of the AWS configuration names it.

The program writes JSON with `AccessKeyId`, `SecretAccessKey`, `SessionToken` and `Expiration` (AWS SDKs and Tools
Reference Guide, "Process credential provider").
"""

from __future__ import annotations

import shlex
import subprocess

from ctadata.errors import ConfigError
from ctadata.http.redaction import sanitize
from ctadata.tokens.access_key_text import AccessKey, parse_access_key

PATIENCE = 60.0
"""Seconds that the program may take; it may ask another server."""


def run_key_process(command: str) -> AccessKey:
    """Run a program, and return the access key that it writes.

    Args:
        command: The program and its arguments, with the quotes of a shell. No shell runs it.

    Raises:
        ConfigError: The program cannot be run, fails, takes too long, or writes no access key.
    """
    try:
        words = shlex.split(command)
        ended = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise ConfigError(f"the program of credential_process took more than {PATIENCE:g} s") from None
    except (OSError, ValueError, IndexError) as error:
        raise ConfigError(f"credential_process cannot be run: {sanitize(str(error))}") from None
    if ended.returncode:
        said = sanitize(ended.stderr.decode(errors="replace").strip().rpartition("\n")[2])
        raise ConfigError(f"credential_process failed with exit code {ended.returncode}: {said}".rstrip(": "))
    try:
        return parse_access_key(ended.stdout.decode(errors="replace"))
    except ConfigError as error:
        raise ConfigError(f"credential_process wrote no access key: {error.what}") from None
