"""The places where a token may be, in the order in which they count.

The order is that of WLCG Bearer Token Discovery, with the profile's own agent before the files that any program may
have left: an explicit file, `BEARER_TOKEN`, `BEARER_TOKEN_FILE`, the agent's file, `$XDG_RUNTIME_DIR/bt_u<uid>`,
`/tmp/bt_u<uid>`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ctadata.config.profile import Profile
from ctadata.errors import LocalError, LoginNeeded
from ctadata.tokens.files import read_discovered
from ctadata.tokens.login_store import explain_mismatch, load_token
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.token import WHITESPACE, Token

FileStamp = tuple[int, int, int]
"""What changes when a file does: inode, time of change in ns, size."""


@dataclass(frozen=True, slots=True)
class TokenSource:
    """One place where a token may be.

    name:  in words, as the user may read them.
    read:  the token; None where there is none; ConfigError, LocalError, LoginNeeded where what is there cannot be used.
    path:  the file it is in; None where it is in none.
    kind:  `explicit`, `outside` or `agent`.
    """

    name: str
    read: Callable[[], Token | None]
    path: Path | None
    kind: str

    def stamp(self) -> FileStamp | None:
        """Changes whenever the token may have; None where there is no file."""
        if self.path is None:
            return None
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


def find_token_sources(
    profile: Profile,
    *,
    explicit: Path | None = None,
    only_profile: bool = False,
    env: Mapping[str, str] = os.environ,
    temporary: Path = Path("/tmp"),  # noqa: S108  (the convention names it)
    files: ProfileFiles | None = None,
) -> tuple[TokenSource, ...]:
    """Where to look, in order.

    only_profile: nothing but the explicit file and the profile's agent, as when a profile was asked for by name.
    """
    first = (_explicit(explicit),) if explicit else ()
    agent = _agent(profile, files or ProfileFiles.of(profile.name))
    if only_profile:
        return (*first, agent)
    runtime = env.get("XDG_RUNTIME_DIR")
    folders = [Path(runtime), temporary] if runtime else [temporary]
    shared = [folder / f"bt_u{os.geteuid()}" for folder in folders]
    return (*first, *_from_environment(env), agent, *(_file(path, str(path)) for path in shared))


def _explicit(path: Path) -> TokenSource:
    def read() -> Token | None:
        text = read_discovered(path, follow=True)
        if text is None:
            raise LocalError("there is no such token file", path=str(path))
        return Token.parse(text)

    return TokenSource(str(path), read, path, "explicit")


def _from_environment(env: Mapping[str, str]) -> tuple[TokenSource, ...]:
    text = env.get("BEARER_TOKEN", "").strip(WHITESPACE)
    named = env.get("BEARER_TOKEN_FILE", "").strip(WHITESPACE)
    found: list[TokenSource] = []
    if text:
        found.append(TokenSource("BEARER_TOKEN", lambda: Token.parse(text), None, "outside"))
    if named:
        found.append(_file(Path(named), f"BEARER_TOKEN_FILE ({named})", named=True))
    return tuple(found)


def _file(path: Path, name: str, *, named: bool = False) -> TokenSource:
    """A file that may be there; a `named` one, which may be a link, is missed."""

    def read() -> Token | None:
        text = read_discovered(path, follow=named)
        if text is None and named:
            raise LocalError("there is no such file")
        return Token.parse(text) if text and text.strip(WHITESPACE) else None

    return TokenSource(name, read, path, "outside")


def _agent(profile: Profile, files: ProfileFiles) -> TokenSource:
    def read() -> Token | None:
        token = load_token(files, profile)
        if token is None and (words := explain_mismatch(files, profile)):
            raise LoginNeeded(words)
        return token

    return TokenSource(f"the agent of profile {profile.name}", read, files.token, "agent")
