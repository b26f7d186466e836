"""The doctor's checks of a WebDAV door, and of the interfaces that a site has beside it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping

from ctadata.doctor.finding import GENERAL_ADVICE, Check, Finding, Verdict, check_deletion, check_tls
from ctadata.doctor.sample_file import find_sample_file
from ctadata.entries import Entry
from ctadata.errors import CtadataError, LoginNeeded, NotFound, Stopped, Unsupported, Untrusted
from ctadata.http.messages import Origin
from ctadata.http.rest import JsonClient
from ctadata.paths import RemotePath
from ctadata.session import Session
from ctadata.tokens.issuer import Issuer
from ctadata.tokens.provider_chain import TokenProvider
from ctadata.tokens.token import Token
from ctadata.transfer import temp_names

MAX_CLOCK_SKEW = 60.0
"""Seconds by which two clocks may differ, because tokens are valid for minutes only."""
EXPIRES_SOON = 60.0
"""A token that is valid for less than these seconds gets a warning."""
SLOW_DOOR = 5.0
"""Seconds from which a door takes long to redirect a read."""


class DoorChecks:
    """The checks of a profile with a door."""

    def __init__(self, session: Session, path_text: str | None) -> None:
        """Resolve the path; no request is sent to the door.

        Args:
            session: The session to check.
            path_text: As `diagnose` has it.
        """
        self.session = session
        self.profile = session.profile
        self.path_text = path_text
        self.path = None if path_text is None else session.resolve(path_text, make=False)
        self._home: RemotePath | None = None

    def checks(self, *, write: bool) -> Mapping[str, Check]:
        """Return the checks in order, by what they are about."""
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
        """Check the connection to the door, its TLS, its software and its clock."""
        yield check_tls(self.profile.door, self.profile.ca, self.session.stop)
        try:
            server, ahead = self.session.site.probe.look(self.session.site.door.url(RemotePath()))
        except LoginNeeded:  # the next check is about the token
            return
        yield Finding("door", Verdict.OK, f"{self.profile.door} answers: {server}")
        if ahead is not None:
            yield _clock(ahead)

    def token(self) -> Iterator[Finding]:
        """Check the token; if there is none, check the issuer and raise LoginNeeded."""
        tokens = self.session.tokens
        try:
            token = tokens.token if isinstance(tokens, TokenProvider) else None
        except LoginNeeded:
            if self.profile.issuer:
                yield self._issuer()
            raise
        if token is None:
            yield Finding("token", Verdict.OK, "this profile needs none")
            return
        life_left = token.life_left(time.time())
        words = f"from {self.session.source_of_token}; {token}; "
        validity = f"valid for {life_left / 60:.0f} minutes" if life_left >= 120 else f"valid for {life_left:.0f} s"
        words += "it names no end of its validity" if life_left > 1e9 else validity
        advice = "run start-agent, which renews it in time" if life_left < EXPIRES_SOON else ""
        yield Finding("token", Verdict.WARN if advice else Verdict.OK, words, advice)
        yield from self._claims(token)

    def _issuer(self) -> Finding:
        """Ask the issuer what it offers to the client of the profile."""
        try:
            issuer = Issuer.discover(self.profile, JsonClient(ca=self.profile.ca, stop=self.session.stop), None)
        except Stopped:
            raise
        except CtadataError as error:
            return Finding("issuer", Verdict.FAIL, error.what, error.hint or GENERAL_ADVICE)
        if not issuer.device_endpoint:
            advice = "ask the site for the address of an issuer that has one, and set issuer in the profile"
            return Finding("issuer", Verdict.FAIL, f"{issuer.name} answers, and offers no device flow", advice)
        return Finding("issuer", Verdict.OK, f"{issuer.name} answers, and offers a login")

    def _claims(self, token: Token) -> Iterator[Finding]:
        audience = token.claim("aud")
        if audience is not None and self.profile.audience and self.profile.audience not in _list(audience):
            advice = f"log in again: the profile asks for the audience {self.profile.audience}"
            yield Finding("audience", Verdict.WARN, f"the token is for {', '.join(_list(audience))}", advice)
        scopes = [scope for scope in str(token.claim("scope") or "").split() if scope.startswith("storage.")]
        if scopes:
            yield Finding("scopes", Verdict.OK, f"it is limited to {', '.join(scopes)}")

    def listing(self) -> Iterator[Finding]:
        """Check that the token may list; raise NotFound or Forbidden if not."""
        began = time.monotonic()
        entry = self.session.info("/" if self.path_text is None else self.path_text, make=False)
        words = f"{entry.path} exists; the answer took {time.monotonic() - began:.1f} s"
        yield Finding("listing", Verdict.OK, words)

    def home(self) -> Iterator[Finding]:
        """Check that the home exists."""
        try:
            self._home = self.session.resolve("home:", make=False)
            self.session.store.info(self._home)
        except NotFound:
            yield Finding("home", Verdict.WARN, f"{self._home or 'it'} does not exist yet", "the first put creates it")
            self._home = None
        except Stopped:
            raise
        except CtadataError as error:
            yield Finding("home", Verdict.WARN, error.what, error.hint or GENERAL_ADVICE)
        else:
            yield Finding("home", Verdict.OK, str(self._home))

    def frontend(self) -> Iterator[Finding]:
        """Check the REST interface, and the interface of the tape library."""
        if self.profile.frontend is None:
            yield self._announced_frontend()
            return
        user = self.session.site.frontend.user()
        yield Finding("frontend", Verdict.OK, f"{self.profile.frontend} knows you as {user.get('username', 'nobody')}")
        try:
            yield Finding("tape", Verdict.OK, f"the interface is at {self.session.site.tape_interface.base}")
        except Stopped:
            raise
        except CtadataError as error:
            yield Finding("tape", Verdict.WARN, error.what, error.hint or GENERAL_ADVICE)

    def _announced_frontend(self) -> Finding:
        """Report the REST interface that the door announces and the profile does not name; it gets no token."""
        words = "the profile names no REST interface, so there are no quotas and no tape"
        advice = 'if the site has one, set frontend = "https://host:3880" in the profile'
        try:
            origin = Origin.parse(self.session.site.tape_interface.base)
            advice = f'the door announces one: set frontend = "{origin}" in the profile'
        except Untrusted as error:
            words, advice = f"{words}; {error.what}", error.hint
        except Unsupported:
            if self.profile.kind != "dcache":
                return Finding("frontend", Verdict.OK, "none, which is normal for servers other than dCache")
        return Finding("frontend", Verdict.WARN, words, advice)

    def download(self) -> Iterator[Finding]:
        """Read the first byte of a file, and report the server that sends it and the digests that the storage keeps."""
        entry = self._find_sample_file()
        if entry is None:
            yield Finding("download", Verdict.WARN, "found no file to try it with", "name one: doctor PATH")
            return
        route = self.session.site.probe.read(self.session.site.door.url(entry.path))
        way = f"comes from {route.redirected_to}" if route.redirected_to else "is sent by the door itself"
        slow = route.seconds > SLOW_DOOR
        words = f"{entry.path} {way}, after {route.seconds:.1f} s"
        yield Finding("download", Verdict.WARN if slow else Verdict.OK, words, "the door is slow" if slow else "")
        if route.redirected_to and route.redirected_to.startswith("http:"):
            advice = "others on the network can read the files; checksums are compared all the same"
            yield Finding("pool", Verdict.WARN, "the connection to the pool has no TLS", advice)
        algorithms = sorted({*entry.checksums, *route.digests, *self.session.store.digests(entry.path)})
        if algorithms:
            yield Finding("checksums", Verdict.OK, f"the storage keeps {', '.join(algorithms)}")
        else:
            words = "the storage keeps none: transfers compare sizes only"
            yield Finding("checksums", Verdict.WARN, words, "nothing to do: servers other than dCache often keep none")

    def _find_sample_file(self) -> Entry | None:
        """Return the file that the user named, or one below; without a name one in the home, or else any."""
        starts = [self.path] if self.path is not None else [self._home, RemotePath()]
        files = (find_sample_file(self.session.store, start) for start in starts if start is not None)
        return next((file for file in files if file is not None), None)

    def upload(self) -> Iterator[Finding]:
        """Upload a small file with a name of our own, report the server that takes it, and delete it again."""
        if self._home is None:
            advice = "see the finding about home"
            yield Finding("upload", Verdict.WARN, "not tried, because there is no home to upload to", advice)
            return
        store, path = self.session.store, self._home / temp_names.new_name()
        try:
            route = self.session.site.probe.write(self.session.site.door.url(path))
        except BaseException:
            with contextlib.suppress(CtadataError):  # the first error counts, and usually there is nothing to delete
                store.delete(path)
            raise
        deleted = check_deletion(store, path)
        way = f"goes to {route.redirected_to}" if route.redirected_to else "is received by the door itself"
        lacks_redirect = store.features.redirects and route.redirected_to is None
        advice = "every byte passes the door; maybe a proxy in between removes the header Expect"
        verdict = Verdict.WARN if lacks_redirect else Verdict.OK
        yield Finding("upload", verdict, f"{way}, after {route.seconds:.1f} s", advice if lacks_redirect else "")
        yield deleted


def _clock(ahead: float) -> Finding:
    if abs(ahead) < MAX_CLOCK_SKEW:
        return Finding("clock", Verdict.OK, f"the two clocks agree within {max(1, round(abs(ahead)))} s")
    words = f"the clock of the door is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
    return Finding("clock", Verdict.WARN, words, "set this machine's clock: tokens are valid for minutes")


def _list(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]
