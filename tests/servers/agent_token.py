"""A token as the agent of a profile leaves it."""

from __future__ import annotations

from pathlib import Path

from ctadata.tokens.profile_files import ProfileFiles


def give_token(profile: str, token: str, state: Path | None = None) -> Path:
    """Leave a token where the agent of the profile leaves it, and return its file.

    state: The directory for state files; None for that of the environment.
    """
    file = ProfileFiles.of(profile, state).token
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(token)
    return file
