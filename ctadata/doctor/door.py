"""A WebDAV door, looked at, and the interfaces that a site has beside it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping

from ctadata.doctor.finding import TELL, Check, Finding, Verdict, deletion, tls
from ctadata.doctor.sample_file import a_file
from ctadata.entries import Entry
from ctadata.errors import CtadataError, LoginNeeded, NotFound, Stopped, Unsupported, Untrusted
from ctadata.http.messages import Origin
from ctadata.paths import RemotePath
from ctadata.session import Session
from ctadata.tokens.provider_chain import TokenProvider
from ctadata.tokens.token import Token
from ctadata.transfer import temp_names

SKEW = 60.0
"""Seconds by which two clocks may differ: logins live for minutes."""
SHORT = 60.0
"""Seconds of life left from which a token is about to end."""
SLOW = 5.0
"""Seconds after which a door takes long to say where a file is."""


class DoorExamination:
    """The checks of a profile with a door."""

    def __init__(self, session: Session, named: str | None) -> None:
        """Nothing is asked.   named: as `diagnose` has it."""
        self.session = session
        self.profile = session.profile
        self.named = named
        self.path = None if named is None else session.resolve(named, make=False)
        self._home: RemotePath | None = None

    def checks(self, *, write: bool) -> Mapping[str, Check]:
        """In order, by what they are about."""
        checks: dict[str, Check] = {
            "door": self.door,
            "token": self.token,
            "listing": self.listing,
            "home": self.home,
            "frontend": self.frontend,
            "download": self.download,
        }
        return {**checks, "upload": self.upload} if write else checks

    def door(self) -> Iterator[Finding]:
        """How it is reached, what it is, and its clock."""
        yield tls(self.profile.door, self.profile.ca, self.session.stop)
        try:
            server, ahead = self.session.site.probe.look(self.session.site.door.url(RemotePath()))
        except LoginNeeded:  # what there is to say of the token comes next
            return
        yield Finding("door", Verdict.OK, f"{self.profile.door} answers: {server}")
        if ahead is not None:
            yield _clock(ahead)

    def token(self) -> Iterator[Finding]:
        """What says who somebody is; LoginNeeded."""
        tokens = self.session.tokens
        token = tokens.token if isinstance(tokens, TokenProvider) else None
        if token is None:
            yield Finding("token", Verdict.OK, "none is needed by this profile")
            return
        left = token.life_left(time.time())
        words = f"from {self.session.source_of_token}; {token}; "
        lives = f"good for {left / 60:.0f} minutes" if left >= 120 else f"good for {left:.0f} s"
        words += "it does not say when it ends" if left > 1e9 else lives
        advice = "start-agent keeps it fresh" if left < SHORT else ""
        yield Finding("token", Verdict.WARN if advice else Verdict.OK, words, advice)
        yield from self._claims(token)

    def _claims(self, token: Token) -> Iterator[Finding]:
        audience = token.claim("aud")
        if audience is not None and self.profile.audience and self.profile.audience not in _list(audience):
            advice = f"log in again: the profile asks for the audience {self.profile.audience}"
            yield Finding("audience", Verdict.WARN, f"the token is for {', '.join(_list(audience))}", advice)
        scopes = [scope for scope in str(token.claim("scope") or "").split() if scope.startswith("storage.")]
        if scopes:
            yield Finding("scopes", Verdict.OK, f"it is limited to {', '.join(scopes)}")

    def listing(self) -> Iterator[Finding]:
        """Whether it can be looked into; NotFound, Forbidden."""
        began = time.monotonic()
        entry = self.session.info("/" if self.named is None else self.named, make=False)
        words = f"{entry.path} is there, after {time.monotonic() - began:.1f} s"
        yield Finding("listing", Verdict.OK, words)

    def home(self) -> Iterator[Finding]:
        """Where it is."""
        try:
            self._home = self.session.resolve("home:", make=False)
            self.session.store.info(self._home)
        except NotFound:
            yield Finding("home", Verdict.WARN, f"{self._home or 'it'} does not exist yet", "the first put makes it")
            self._home = None
        except Stopped:
            raise
        except CtadataError as error:
            yield Finding("home", Verdict.WARN, error.what, error.hint or TELL)
        else:
            yield Finding("home", Verdict.OK, str(self._home))

    def frontend(self) -> Iterator[Finding]:
        """The REST interface, and the tape library."""
        if self.profile.frontend is None:
            yield self._announced()
            return
        user = self.session.site.frontend.user()
        yield Finding("frontend", Verdict.OK, f"{self.profile.frontend} knows you as {user.get('username', 'nobody')}")
        try:
            yield Finding("tape", Verdict.OK, f"the interface is at {self.session.site.tape.base}")
        except Stopped:
            raise
        except CtadataError as error:
            yield Finding("tape", Verdict.WARN, error.what, error.hint or TELL)

    def _announced(self) -> Finding:
        """What the door tells of a REST interface that the profile does not name, and that gets no token."""
        words = "the profile names no REST interface: no quotas, no tape"
        advice = 'if the site has one, set frontend = "https://host:3880" in the profile'
        try:
            found = Origin.parse(self.session.site.tape.base)
            advice = f'the door announces one: set frontend = "{found}" in the profile'
        except Untrusted as error:
            words, advice = f"{words}; {error.what}", error.hint
        except Unsupported:
            if self.profile.kind != "dcache":
                return Finding("frontend", Verdict.OK, "none, as at servers that are no dCache")
        return Finding("frontend", Verdict.WARN, words, advice)

    def download(self) -> Iterator[Finding]:
        """Where the first byte of a file comes from, and what can be compared in the end."""
        entry = self._a_file()
        if entry is None:
            yield Finding("download", Verdict.WARN, "no file was found to try it with", "name one: doctor PATH")
            return
        route = self.session.site.probe.read(self.session.site.door.url(entry.path))
        way = f"comes from {route.redirected_to}" if route.redirected_to else "is sent by the door itself"
        slow = route.seconds > SLOW
        words = f"{entry.path} {way}, after {route.seconds:.1f} s"
        yield Finding("download", Verdict.WARN if slow else Verdict.OK, words, "the door is slow" if slow else "")
        if route.redirected_to and route.redirected_to.startswith("http:"):
            advice = "nobody on the way may be trusted with what you read; checksums are compared all the same"
            yield Finding("pool", Verdict.WARN, "the pool is asked without TLS", advice)
        known = sorted({*entry.checksums, *route.digests, *self.session.store.digests(entry.path)})
        if known:
            yield Finding("checksums", Verdict.OK, f"the storage keeps {', '.join(known)}")
        else:
            words = "the storage keeps none: only sizes can be compared"
            yield Finding("checksums", Verdict.WARN, words, "nothing: it is so at servers that are no dCache")

    def _a_file(self) -> Entry | None:
        """The one that was named, or one below; else one of the home, else any."""
        starts = [self.path] if self.path is not None else [self._home, RemotePath()]
        found = (a_file(self.session.store, start) for start in starts if start is not None)
        return next((entry for entry in found if entry is not None), None)

    def upload(self) -> Iterator[Finding]:
        """Where a small file of a name of our own goes to; it is deleted again."""
        if self._home is None:
            advice = "see what is said of home"
            yield Finding("upload", Verdict.WARN, "not tried: there is no home to try it in", advice)
            return
        store, path = self.session.store, self._home / temp_names.new_name()
        try:
            route = self.session.site.probe.write(self.session.site.door.url(path))
        except BaseException:
            with contextlib.suppress(CtadataError):  # the refusal counts, and mostly there is nothing to delete
                store.delete(path)
            raise
        deleted = deletion(store, path)
        way = f"goes to {route.redirected_to}" if route.redirected_to else "is taken by the door itself"
        expected = store.features.redirects and route.redirected_to is None
        advice = "every byte passes the door: is something between here and it that swallows Expect?"
        verdict = Verdict.WARN if expected else Verdict.OK
        yield Finding("upload", verdict, f"{way}, after {route.seconds:.1f} s", advice if expected else "")
        yield deleted


def _clock(ahead: float) -> Finding:
    if abs(ahead) < SKEW:
        return Finding("clock", Verdict.OK, f"the two clocks agree within {max(1, round(abs(ahead)))} s")
    words = f"the clock of the door is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
    return Finding("clock", Verdict.WARN, words, "set this machine's clock: logins live for minutes")


def _list(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]
