"""The places where a token may be, in the order in which they count.

The order is that of WLCG Bearer Token Discovery, with the profile's own agent before the files that any program may
have written: an explicit file, `BEARER_TOKEN`, `BEARER_TOKEN_FILE`, the agent's file, `$XDG_RUNTIME_DIR/bt_u<uid>`,
`/tmp/bt_u<uid>`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ctadata.config.profile import Profile
from ctadata.errors import LocalError, LoginNeeded
from ctadata.system import user_id
from ctadata.tokens.files import read_discovered
from ctadata.tokens.login_store import explain_mismatch, load_token
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.token import WHITESPACE, Token

FileStamp = tuple[int, int, int]
"""The identity of a file's content: inode, time of change in nanoseconds, size in bytes."""


@dataclass(frozen=True, slots=True)
class TokenSource:
    """One place where a token may be.

    Attributes:
        name: The place in words, for messages.
        read: Returns the token, or None if there is none. Raises ConfigError, LocalError or LoginNeeded if the token
            that is there cannot be used.
        path: The file. None for a variable.
        kind: `explicit` (named by the user), `outside` (written by any program) or `agent`.
    """

    name: str
    read: Callable[[], Token | None]
    path: Path | None
    kind: str

    def stamp(self) -> FileStamp | None:
        """Return a value that changes whenever the file changes; None if there is no file."""
        if self.path is None:
            return None
        try:
            sources = self.path.stat()
        except OSError:
            return None
        return sources.st_ino, sources.st_mtime_ns, sources.st_size


def find_token_sources(
    profile: Profile,
    *,
    explicit: Path | None = None,
    only_profile: bool = False,
    env: Mapping[str, str] = os.environ,
    temporary: Path = Path("/tmp"),  # noqa: S108  (WLCG Bearer Token Discovery names it)
    files: ProfileFiles | None = None,
) -> tuple[TokenSource, ...]:
    """Return the places to look for a token, in order. Nothing is read yet.

    Args:
        profile: The profile that needs the token.
        explicit: A file that the user named for this run.
        only_profile: Use only that file and the profile's agent, as when the user chose the profile by name.
        env: The environment.
        temporary: The directory that everybody may write, in which the convention expects a file.
        files: The profile's files. None finds them by the profile's name.
    """
    first = (_explicit_source(explicit),) if explicit else ()
    agent = _agent_source(profile, files or ProfileFiles.of(profile.name))
    if only_profile:
        return (*first, agent)
    runtime = env.get("XDG_RUNTIME_DIR")
    folders = [Path(runtime), temporary] if runtime else [temporary]
    shared = [folder / f"bt_u{user_id()}" for folder in folders]
    return (*first, *_environment_sources(env), agent, *(_file_source(path, str(path)) for path in shared))


def _explicit_source(path: Path) -> TokenSource:
    def read() -> Token | None:
        text = read_discovered(path, follow=True)
        if text is None:
            raise LocalError("the token file does not exist", path=str(path))
        return Token.parse(text)

    return TokenSource(str(path), read, path, "explicit")


def _environment_sources(env: Mapping[str, str]) -> tuple[TokenSource, ...]:
    text = env.get("BEARER_TOKEN", "").strip(WHITESPACE)
    named = env.get("BEARER_TOKEN_FILE", "").strip(WHITESPACE)
    sources: list[TokenSource] = []
    if text:
        sources.append(TokenSource("BEARER_TOKEN", lambda: Token.parse(text), None, "outside"))
    if named:
        sources.append(_file_source(Path(named), f"BEARER_TOKEN_FILE ({named})", named=True))
    return tuple(sources)


def _file_source(path: Path, name: str, *, named: bool = False) -> TokenSource:
    """Return the source of a file. One that the user named may be a symlink, and is an error if it holds no token."""

    def read() -> Token | None:
        text = read_discovered(path, follow=named)
        if text and text.strip(WHITESPACE):
            return Token.parse(text)
        if named:
            raise LocalError("the file does not exist" if text is None else "the file is empty")
        return None

    return TokenSource(name, read, path, "outside")


def _agent_source(profile: Profile, files: ProfileFiles) -> TokenSource:
    def read() -> Token | None:
        token = load_token(files, profile)
        if token is None and (words := explain_mismatch(files, profile)):
            raise LoginNeeded(words)
        return token

    return TokenSource(f"the agent of profile {profile.name}", read, files.token, "agent")
