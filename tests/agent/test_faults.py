"""Everything that can go wrong at the issuer, in one table: the agent's behaviour, the files, messages, exit codes.

`passes`: the agent keeps trying, and the old token stays. `login`, `config`: the agent ends, since only the user can
help. `fine`: no fault at all.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import resource
import time
from dataclasses import dataclass
from threading import Event

import pytest

from ctadata.agent import token_backends
from ctadata.agent.login import obtain_token
from ctadata.agent.loop import keep_fresh
from ctadata.agent.renewal import Renewal
from ctadata.cli import main
from ctadata.errors import Busy, ConfigError, CtadataError, LoginNeeded, TemporaryError
from ctadata.http.rest import JsonClient
from ctadata.sandbox import Sandbox, faults
from ctadata.sandbox.faults import Fault
from ctadata.sandbox.issuer import CONNECT, DISCOVERY
from ctadata.tokens.login_store import load_login, load_token, save_login, save_token
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.token import Token

TOKEN, DEVICE = f"{CONNECT}/token", ("POST", f"{CONNECT}/auth/device")
HTML = b"<html><body>Please accept our terms</body></html>"


def says(code: int = 200, reason: str = "OK", headers=(), **body) -> faults.Status:
    """A JSON response."""
    return faults.Status(code, reason, json.dumps(body).encode(), headers)


def jwt(**claims) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJub25lIn0.{payload}.c2lnbmF0dXJl"


def refuses(error: str, description: str = "", code: int = 400) -> faults.Status:
    return says(code, "Bad Request", error=error, error_description=description)


@dataclass(frozen=True)
class Case:
    """A fault at a request, and its result; `words` are in the error, `code` is the exit code."""

    name: str
    fault: Fault
    outcome: str
    words: str
    code: int
    at: tuple[str, str] = ("POST", TOKEN)
    pause: float = 0.5  # seconds until the next attempt after a temporary failure


CASES = (
    Case("500", faults.Status(500, "Oops", b"{}"), "passes", "500 Oops", 5),
    Case("500 html", faults.Status(500, "Oops", HTML), "passes", "500 Oops", 5),
    Case("502 with an error of OAuth", says(502, "Bad Gateway", error="invalid_grant"), "passes", "502", 5),
    Case("503 html", faults.Status(503, "Gone fishing", HTML), "passes", "503 Gone fishing", 5),
    Case("429", says(429, "Slow", (("Retry-After", "77"),)), "passes", "429 Slow", 5, pause=77),
    Case("408", faults.Status(408, "Too Slow"), "passes", "408 Too Slow", 5),
    Case("200 html: a portal", faults.Status(200, "OK", HTML), "passes", "a server on the way to the issuer", 5),
    Case("401 html: a proxy", faults.Status(401, "Who?", HTML), "passes", "a server on the way to the issuer", 5),
    Case("a portal's redirect", faults.Redirect("https://localhost:1/login"), "passes", "redirects", 5),
    Case("reset", faults.Cut(0, reset=True), "passes", "connection", 5),
    Case("cut short", faults.Short(20), "passes", "", 5),
    Case("a stall", faults.NoAnswer(), "passes", "no answer", 124),
    Case("discovery: 500", faults.Status(500, "Oops"), "passes", "500 Oops", 5, ("GET", DISCOVERY)),
    Case("discovery: a portal", faults.Status(200, "OK", HTML), "passes", "way to the issuer", 5, ("GET", DISCOVERY)),
    Case("discovery: another issuer", faults.WrongIssuer(), "config", "says that it is", 2, ("GET", DISCOVERY)),
    Case("discovery: 404", says(404, "Not Found", error="Realm does not exist"), "config", "Realm does not exist", 2,
         ("GET", DISCOVERY)),
    Case("temporarily unavailable", refuses("temporarily_unavailable"), "passes", "temporarily_unavailable", 5),
    Case("the login is over", refuses("invalid_grant", "Token is not active"), "login", "Token is not active", 4),
    Case("another login ended it", refuses("invalid_grant", "Stale token"), "login", "Stale token", 4),
    Case("client unknown", refuses("invalid_client", "Gone", 401), "config", "invalid_client: Gone", 2),
    Case("wrong secret", refuses("unauthorized_client", "No", 401), "config", "the client's secret", 2),
    Case("wrong scope", refuses("invalid_scope"), "config", "check scope", 2),
    Case("no token in it", says(token_type="Bearer"), "passes", "holds no token", 5),
    Case("an empty token", says(access_token=""), "config", "the token is empty", 2),
    Case("over already", says(access_token="over", expires_in=-5), "passes", "has already expired", 5),
    Case("over at once", says(access_token="over", expires_in=0), "passes", "has already expired", 5),
    Case("over by its own word", says(access_token=jwt(iat=2, exp=1)), "passes", "has already expired", 5),
    Case("opaque", says(access_token="opaque", expires_in=300), "fine", "", 0),
    Case("opaque without an end", says(access_token="opaque"), "fine", "", 0),
    Case("no exp", says(access_token=jwt(sub="ada", iat=1)), "fine", "", 0),
    Case("claims that are none", says(access_token=jwt(exp="soon", iat=[], iss=7), expires_in="x"), "fine", "", 0),
    Case("16 KiB", says(access_token="t" * 16384, expires_in=300), "fine", "", 0),
    Case("no fault", faults.Delay(0), "fine", "", 0),
)  # fmt: skip
KINDS = {"passes": CtadataError, "login": LoginNeeded, "config": ConfigError}


def silence_of(case: Case) -> float:
    """Seconds that a client waits for an answer: few only where none comes, since a busy issuer is slow too."""
    return 0.3 if isinstance(case.fault, faults.NoAnswer) else 60


@pytest.fixture
def box(clock):
    with Sandbox(approve=True, interval=0, clock=clock.now) as box:
        yield box


@pytest.fixture
def begun(profile, files, clock, shown):
    """The token of a finished login; it lives for 300 s."""
    return obtain_token(profile, files, is_good=lambda token: False, show=shown.append, now=clock.now)


@pytest.fixture
def live(profile, files, clock):
    """`live(token, seconds)`: run an agent's loop for so long; return its reports, and the error that ended it."""

    def run(token, seconds, silence=60):
        stop, beats = Event(), []
        renewal = Renewal(profile, files, JsonClient(ca=profile.ca, timeouts=(60, silence)), clock.now)
        clock.at(seconds, stop.set)
        ended = keep_fresh(token, renewal.renew, beats.append, stop, now=clock.now, wait=clock.wait, jitter=lambda: 0.0)
        return beats, ended

    return run


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_agent(case: Case, box, profile, files, clock, begun, live):
    login = load_login(files, profile)
    rule = box.faults.add("issuer", *case.at, case.fault)
    beats, ended = live(begun, 201 if case.pause < 1 else 279, silence_of(case))
    if case.outcome == "fine":
        assert (beats[-1].error, ended) == (None, None)
        assert files.token.read_text() == beats[-1].token.reveal() != begun.reveal()
        return
    assert rule.hits >= 1
    error = beats[-1].error
    assert isinstance(error, KINDS[case.outcome])
    assert case.words in str(error)
    assert (beats[-1].next_refresh is None) == (ended is not None) == (case.outcome != "passes")
    assert (files.token.read_text(), load_login(files, profile)) == (begun.reveal(), login)  # nothing is deleted
    if case.outcome == "passes":
        assert error.exit_code == case.code
        assert beats[1].next_refresh - beats[0].next_refresh == pytest.approx(case.pause, abs=0.01)
        rule.remove()
        beats, _ = live(begun, 60)
        assert beats[-1].error is None
        assert files.token.read_text() == beats[-1].token.reveal() != begun.reveal()


@pytest.fixture
def command(case, box, tmp_path, monkeypatch, capfd):
    """`command(*words)`: run a command by the simulated clock; return its exit code, stdout and stderr."""
    (tmp_path / "settings.toml").write_text(box.profile_toml("sandbox"))
    monkeypatch.setenv("CTADATA_CONFIG", str(tmp_path / "settings.toml"))
    monkeypatch.setenv("CTADATA_PROFILE", "sandbox")
    monkeypatch.setattr(token_backends, "TIMEOUTS", (60, silence_of(case)))

    def run(*words):
        code = main.run(words)
        return code, *capfd.readouterr()

    return run


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_command(case: Case, box, profile, files, begun, command):
    """It needs a fresh token; during a temporary failure it uses one that is still valid."""
    login = load_login(files, profile)
    box.faults.add("issuer", *case.at, case.fault)
    save_token(files, profile, dataclasses.replace(begun, received=time.time() - 270))
    if case.outcome == "fine":
        assert command("get-token") == (0, files.token.read_text() + "\n", "")
        assert files.token.read_text() != begun.reveal()
        return
    if case.outcome == "passes":
        assert command("get-token") == (0, begun.reveal() + "\n", "")
    save_token(files, profile, dataclasses.replace(begun, received=time.time() - 301))
    code, out, err = command("get-token")
    assert (code, out, err.count("\n")) == (case.code, "", 1)
    assert err.startswith("cta-data-direct: ")
    assert case.words in err
    assert (files.token.read_text(), load_login(files, profile)) == (begun.reveal(), login)  # nothing is deleted
    assert (code := command("list")[0]) == (5 if case.outcome == "passes" else case.code), code


class TestRotation:
    def test_a_lost_answer_ends_a_rotating_login(self, box, profile, files, begun, live):
        """The issuer has rotated, and takes the second request for a thief's. No client can prevent that."""
        box.faults.add("issuer", "POST", TOKEN, faults.LostAnswer(), times=1)
        beats, ended = live(begun, 290)
        assert [type(beat.error).__name__ for beat in beats] == ["NoneType", "Unreachable", "LoginNeeded"]
        assert isinstance(ended, LoginNeeded)
        assert "reuse" in str(ended)
        assert "start-agent -P sandbox" in str(ended)
        assert files.token.read_text() == begun.reveal()

    @pytest.mark.full("stall")
    def test_a_refresh_waits_half_a_minute_for_its_answer(self, box, profile, files, begun):
        """In real time: a request that is given up and repeated would look like a thief's."""
        box.faults.add("issuer", "POST", TOKEN, faults.Delay(31), times=1)
        with token_backends.open_backend(profile, files) as way:
            assert way.renew(begun).reveal() == files.token.read_text() != begun.reveal()
            assert way.renew(load_token(files, profile))

    def test_reuse(self, box, profile, files, begun, live):
        old = load_login(files, profile)
        live(begun, 201)
        save_login(files, old)
        _, ended = live(load_token(files, profile), 250)
        assert isinstance(ended, LoginNeeded)
        assert ended.exit_code == 4
        assert "reuse" in str(ended)

    def test_an_issuer_that_sends_no_new_refresh_token(self, box, profile, files, begun, live):
        old = load_login(files, profile)
        box.faults.add("issuer", "POST", TOKEN, says(access_token="new", expires_in=300))
        live(begun, 201)
        assert load_login(files, profile) == old
        assert files.token.read_text() == "new"


@pytest.mark.parametrize("hours", [-1, 1])
@pytest.mark.parametrize("told", ["expires_in", "claims"])
def test_a_wrong_local_clock(told, hours, profile_at, files, clock, shown):
    """The clock is wrong by an hour: a token's life counts from its receipt."""
    clock.time += 3600 * hours
    with Sandbox(approve=True, interval=0, clock=lambda: clock.time - 3600 * hours) as other:
        profile = profile_at(other, name="other")
        files = type(files)(files.folder.parent / "other")
        token = obtain_token(profile, files, is_good=lambda token: False, show=shown.append, now=clock.now)
        if told == "claims":
            token = dataclasses.replace(token, expires_in=None)
        assert token.life_left(clock.time) == pytest.approx(300, abs=1)
        renewal, stop, beats = Renewal(profile, files, JsonClient(ca=other.ca), clock.now), Event(), []
        clock.at(900, stop.set)
        assert (
            keep_fresh(token, renewal.renew, beats.append, stop, now=clock.now, wait=clock.wait, jitter=float) is None
        )
        assert {beat.error for beat in beats} == {None}
        assert len(beats) == 5


@dataclass(frozen=True)
class LoginCase:
    """A fault that occurs once, during a login."""

    name: str
    fault: Fault
    error: type[CtadataError] | None
    words: str
    code: int
    at: tuple[str, str] = ("POST", TOKEN)
    waits: tuple[float, ...] = (1,)


LOGIN_CASES = (
    LoginCase("denied", refuses("access_denied", "The end user denied"), LoginNeeded, "the login was denied", 4),
    LoginCase("expired", refuses("expired_token", "Device code is expired"), LoginNeeded, "the code expired", 4),
    LoginCase("slow_down", refuses("slow_down", "Slow down"), None, "", 0, waits=(1, 6)),
    LoginCase("pending", refuses("authorization_pending"), None, "", 0, waits=(1, 1)),
    LoginCase("500", faults.Status(500, "Oops"), None, "", 0, waits=(1, 2)),
    LoginCase("portal", faults.Status(200, "OK", HTML), None, "", 0, waits=(1, 2)),
    LoginCase("429", says(429, "Slow", (("Retry-After", "30"),)), None, "", 0, waits=(1, 30)),
    LoginCase("reset", faults.Cut(0, reset=True), None, "", 0, waits=(1, 2)),
    LoginCase("not this client", refuses("invalid_grant", "Client not allowed"), ConfigError, "not allowed", 2),
    LoginCase("client", refuses("invalid_client", "Who?", 401), ConfigError, "Who?", 2, DEVICE, ()),
    LoginCase("no code", says(verification_uri="https://localhost/x"), ConfigError, "sent no code", 2, DEVICE, ()),
    LoginCase("no address", says(device_code="d", user_code="u"), ConfigError, "no address", 2, DEVICE, ()),
    LoginCase("device: 503 html", faults.Status(503, "Gone", HTML), Busy, "503 Gone", 5, DEVICE, ()),
    LoginCase(
        "device: a portal", faults.Status(200, "OK", HTML), TemporaryError, "on the way to the issuer", 5, DEVICE, ()
    ),
    LoginCase("another issuer", faults.WrongIssuer(), ConfigError, "says that it is", 2, ("GET", DISCOVERY), ()),
    LoginCase("opaque", says(access_token="opaque"), None, "", 0),
    LoginCase("16 KiB", says(access_token="t" * 16384, expires_in=300), None, "", 0),
    LoginCase("over already", says(access_token="o", expires_in=0), TemporaryError, "has already expired", 5),
)


class Waits(Event):
    """An event that is never set; a wait for it passes simulated time."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def wait(self, timeout=None):
        self.clock.wait(timeout)
        return False


@pytest.mark.parametrize("case", LOGIN_CASES, ids=lambda case: case.name)
def test_a_login(case: LoginCase, profile_at, clock, shown):
    with Sandbox(approve=True, interval=1, clock=clock.now) as box:
        profile = profile_at(box)
        files = ProfileFiles.of(profile.name)
        box.faults.add("issuer", *case.at, case.fault, times=1)

        def log_in() -> Token:
            return obtain_token(
                profile, files, is_good=lambda _: False, show=shown.append, stop=Waits(clock), now=clock.now
            )

        if case.error is None:
            token = log_in()
            assert files.token.read_text() == token.reveal()
            assert load_login(files, profile) is not None
        else:
            with pytest.raises(case.error) as caught:
                log_in()
            assert case.words in str(caught.value)
            assert caught.value.exit_code == case.code
            assert not files.token.exists()
            assert case.name == "over already" or not files.login.exists()
        assert not list(files.folder.glob(".new-*"))
        assert clock.waits == pytest.approx(case.waits)
        assert len(shown) == (case.at[1] == TOKEN)


# --- a life ---


class Killed(BaseException):
    """Stands for kill -9: no clean-up runs."""


FAULTS = (
    *(faults.Status(500, "Oops", b"{}"), faults.Status(503, "Gone fishing", HTML), faults.Status(200, "OK", HTML)),
    *(says(429, "Slow", (("Retry-After", "5"),)), refuses("temporarily_unavailable"), faults.Cut(0, reset=True)),
    *(faults.Redirect("https://localhost:1/login"), faults.Status(401, "Who?", HTML), says(token_type="Bearer")),
)
STALL = 30.0


def test_hours_with_faults_outages_and_kills(profile_at, files, clock, shown, rng, count, monkeypatch):
    """The token is never missing longer than the outage that caused it.

    Tokens live one minute; each fault hits 1% of the requests; there are three outages and three kills. The time is
    simulated, the issuer and the files are real.
    """
    hours = count(1, 8)
    begin, length = clock.time, hours * 3600.0
    outages = [(begin + at * length, begin + at * length + rng.uniform(120, 900)) for at in (0.2, 0.5, 0.8)]
    kills = sorted(begin + rng.uniform(0.05, 0.95) * length for _ in range(3))
    with Sandbox(approve=True, interval=0, token_lifetime=60, clock=clock.now) as box:
        profile = profile_at(box)
        token = obtain_token(profile, files, is_good=lambda token: False, show=shown.append, now=clock.now)
        stop, published, troubles, since = Event(), [], [], []
        over = token.expires_at

        def renew(known, stop=None):
            nonlocal over
            rule, before, limits = None, clock.time, resource.getrlimit(resource.RLIMIT_FSIZE)
            if any(start <= clock.time < end for start, end in outages):
                rule = box.faults.add("issuer", "*", "*", faults.Status(503, "Down"))
            elif rng.random() < 0.01 * len(FAULTS):
                rule = box.faults.add("issuer", "POST", TOKEN, rng.choice(FAULTS))
            elif rng.random() < 0.01:
                clock.time += STALL
                since.append((before, clock.time))
            elif rng.random() < 0.01:  # no file can be written at all
                resource.setrlimit(resource.RLIMIT_FSIZE, (1, limits[1]))
            try:
                found = renewal.renew(known, stop)
            except CtadataError:
                since.append((before, clock.time))
                raise
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, limits)
                if rule:
                    rule.remove()
            troubles.extend(since)
            published.append((clock.time - over, since[-1][1] - since[0][0] if since else 0))
            since.clear()
            over = found.expires_at
            return found

        def wait(seconds):
            if kills and clock.time + seconds >= kills[0]:
                clock.time = max(clock.time, kills.pop(0))
                raise Killed
            clock.wait(seconds)

        clock.at(length, stop.set)
        lives = 0
        while not stop.is_set():
            lives += 1
            renewal = Renewal(profile, files, JsonClient(ca=box.ca), clock.now)
            try:
                ended = keep_fresh(
                    load_token(files, profile), renew, lambda beat: None, stop,
                    now=clock.now, wait=wait, jitter=rng.random,
                )  # fmt: skip
                assert ended is None
            except Killed:
                continue
    assert (lives, len(shown)) == (4, 1)
    assert len(troubles) > hours * 3
    assert [gap for gap, away in published if gap > max(away, 0)] == []
    assert max(gap for gap, _ in published) > 0  # an outage can be long
    assert load_token(files, profile).reveal() == files.token.read_text()


@pytest.mark.parametrize("at", ["Renewal._login", "save_token"])
def test_killed_in_the_middle_of_a_refresh(at, box, profile, files, clock, begun, live, monkeypatch):
    """A kill loses the login only before the new one is on disk, and only if the issuer rotates."""

    def kill(*arguments):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(f"ctadata.agent.renewal.{at}", kill)
        with pytest.raises(Killed):
            live(begun, 290)
    assert files.token.read_text() == begun.reveal()
    beats, ended = live(begun, 80)
    if at == "save_token":
        assert ended is None
        assert files.token.read_text() != begun.reveal()
    else:
        assert isinstance(ended, LoginNeeded)
    assert beats
