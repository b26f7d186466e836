"""The issuer as a client sees it: discovery, client authentication, refresh with rotation, revocation."""

from __future__ import annotations

import dataclasses
import json
from threading import Event

import pytest

from ctadata.config.profile import Profile
from ctadata.errors import (
    Busy,
    ConfigError,
    CtadataError,
    LoginNeeded,
    ServerTrouble,
    TemporaryError,
    TimedOut,
    Unreachable,
    Untrusted,
)
from ctadata.http.messages import Headers
from ctadata.http.rest import JsonClient, JsonResponse
from ctadata.sandbox import Sandbox, faults
from ctadata.sandbox.issuer import CONNECT, DISCOVERY
from ctadata.tokens.device import begin_device_login, wait_for_login
from ctadata.tokens.issuer import Issuer
from ctadata.tokens.token import Secret

TOKEN = f"{CONNECT}/token"


def discover(profile, secret=None, **more):
    return Issuer.discover(profile, JsonClient(ca=profile.ca, timeouts=(60, more.pop("patience", 60))), secret, **more)


@pytest.fixture
def issuer(profile):
    return discover(profile)


@pytest.fixture
def grant(issuer):
    return wait_for_login(issuer, begin_device_login(issuer), stop=Event())


class TestDiscovery:
    @pytest.mark.parametrize("slash", ["", "/"])
    def test_a_slash_at_the_end_does_not_count(self, box, profile_at, slash):
        assert discover(profile_at(box, issuer=box.issuer + slash)).token_endpoint.endswith(TOKEN)

    def test_another_issuer_is_refused(self, box, profile):
        box.faults.add("issuer", "GET", DISCOVERY, faults.WrongIssuer("https://evil/realms/x"))
        with pytest.raises(ConfigError, match=r"says that it is https://evil/realms/x.*issuer in the profile sandbox"):
            discover(profile)

    def test_no_issuer_there(self, box, profile_at):
        with pytest.raises(ConfigError, match="issuer in the profile sandbox"):
            discover(profile_at(box, issuer=box.issuer + "/other"))

    @pytest.mark.parametrize("missing", ["issuer", "client_id"])
    def test_a_profile_without_login(self, profile, missing):
        with pytest.raises(ConfigError, match=f"names no {missing}"):
            discover(dataclasses.replace(profile, **{missing: None}))

    @pytest.mark.parametrize(
        "url",
        ["http://issuer.example.org/realms/a", "ftp://localhost/x", "issuer.example.org", "https://[", "file:///etc"],
    )
    def test_plain_http_only_on_this_machine(self, profile, url):
        with pytest.raises(ConfigError):
            discover(dataclasses.replace(profile, issuer=url))

    @pytest.mark.parametrize("endpoint", ["token_endpoint", "device_authorization_endpoint", "revocation_endpoint"])
    def test_no_endpoint_goes_over_plain_http_elsewhere(self, box, profile, endpoint):
        told = {"issuer": box.issuer, "token_endpoint": "https://a/", endpoint: "http://evil.example.org/token"}
        box.faults.add("issuer", "GET", DISCOVERY, faults.Status(200, "OK", json.dumps(told).encode()))
        with pytest.raises(ConfigError, match="not an https address"):
            discover(profile)

    def test_an_unknown_certificate_is_not_trusted(self, profile, tmp_path):
        with Sandbox() as other, pytest.raises(Untrusted):
            discover(dataclasses.replace(profile, ca=other.ca))

    def test_no_redirect_is_followed(self, box, profile):
        box.faults.add("issuer", "GET", DISCOVERY, faults.Redirect(box.frontend + "/x"))
        with pytest.raises(TemporaryError):
            discover(profile)
        assert {seen.server for seen in box.seen} == {"issuer"}


FAULTS = [
    (faults.Status(500, "Oops", b"{}"), ServerTrouble),
    (faults.Status(503, "Busy", b"<html>", (("Retry-After", "9"),)), Busy),
    (faults.Status(429, "Slow", b"", (("Retry-After", "9"),)), Busy),
    (faults.Status(200, "OK", b"<html>portal</html>"), TemporaryError),
    (faults.Redirect("https://localhost:1/"), TemporaryError),
    (faults.LostAnswer(reset=True), Unreachable),
    (faults.NoAnswer(), TimedOut),
]


@pytest.mark.parametrize(("fault", "kind"), FAULTS, ids=lambda value: getattr(value, "__name__", repr(value))[:25])
def test_temporary_failures(box, profile, fault, kind):
    patient = discover(profile, patience=1)
    login = begin_device_login(patient)
    grant = wait_for_login(patient, login, stop=Event())
    box.faults.add("issuer", "POST", TOKEN, fault)
    with pytest.raises(kind) as caught:
        patient.refresh(grant.refresh_token)
    assert caught.value.retryable
    assert caught.value.retry_after == (9.0 if kind is Busy else None)
    assert grant.refresh_token.reveal() not in str(caught.value)


class TestRefresh:
    def test_a_new_token_and_a_new_refresh_token(self, issuer, grant):
        second = issuer.refresh(grant.refresh_token)
        assert second.refresh_token != grant.refresh_token
        assert second.token.issuer == issuer.name
        third = issuer.refresh(second.refresh_token)
        assert third.token.life_left(issuer.now()) > 290

    def test_the_lifetime_counts_from_the_request(self, profile, clock):
        issuer = discover(profile, now=clock.now)
        grant = wait_for_login(issuer, begin_device_login(issuer), stop=Event())
        assert grant.token.expires_at == clock.time + 300

    def test_a_second_use_of_a_rotated_token_ends_the_login(self, issuer, grant):
        issuer.refresh(grant.refresh_token)
        with pytest.raises(LoginNeeded, match="reuse exceeded"):
            issuer.refresh(grant.refresh_token)

    def test_a_revoked_login(self, box, issuer, grant):
        box.revoke_sessions()
        with pytest.raises(LoginNeeded, match="Token is not active") as caught:
            issuer.refresh(grant.refresh_token)
        assert caught.value.exit_code == 4

    def test_the_audience_is_sent(self, box, profile_at):
        issuer = discover(profile_at(box, audience="https://door"))
        grant = wait_for_login(issuer, begin_device_login(issuer), stop=Event())
        assert issuer.refresh(grant.refresh_token).token.claim("aud") == "https://door"

    def test_no_secret_is_ever_in_a_url(self, box, issuer, grant):
        issuer.refresh(grant.refresh_token)
        assert all("?" not in seen.target for seen in box.seen)


class TestTheClient:
    """The sandbox's secret holds `+&=`, which RFC 6749 wants form-encoded within Basic."""

    @pytest.fixture
    def strict(self):
        with Sandbox(approve=True, interval=0, confidential=True) as box:
            yield box

    def use(self, issuer):
        grant = wait_for_login(issuer, begin_device_login(issuer), stop=Event())
        return issuer.refresh(grant.refresh_token)

    def test_confidential_by_header(self, strict, profile_at):
        issuer = discover(profile_at(strict), Secret(strict.client_secret))
        assert self.use(issuer).token.claim("azp") == strict.client_id
        asked = [seen.header("Authorization") for seen in strict.seen if seen.method == "POST"]
        assert all(value.startswith("Basic ") for value in asked)

    def test_confidential_by_form_if_the_issuer_supports_only_that(self, strict, profile_at):
        issuer = dataclasses.replace(discover(profile_at(strict), Secret(strict.client_secret)), secret_in_form=True)
        assert self.use(issuer).token.claim("azp") == strict.client_id
        assert not any(seen.header("Authorization") for seen in strict.seen)

    @pytest.mark.parametrize(
        ("methods", "secret_in_form"),
        [
            (None, False),
            (["client_secret_basic", "client_secret_post"], False),
            (["client_secret_post"], True),
            (["private_key_jwt"], False),
        ],
    )
    def test_the_authentication_method_follows_the_metadata(self, box, profile, methods, secret_in_form):
        told = {"issuer": box.issuer, "token_endpoint_auth_methods_supported": methods}
        box.faults.add("issuer", "GET", DISCOVERY, faults.Status(200, "OK", json.dumps(told).encode()))
        assert discover(profile, Secret("s")).secret_in_form == secret_in_form

    @pytest.mark.parametrize("secret", [None, "wrong"])
    def test_a_wrong_secret_is_a_config_error(self, strict, profile_at, secret):
        with pytest.raises(ConfigError, match=r"Invalid client credentials.*client's secret") as caught:
            begin_device_login(discover(profile_at(strict), secret and Secret(secret)))
        assert "wrong" not in str(caught.value)

    def test_public(self, box, issuer):
        assert self.use(issuer).token.claim("azp") == box.client_id
        assert not any(seen.header("Authorization") for seen in box.seen)


class TestRevocation:
    def test_it_ends_the_login(self, issuer, grant):
        assert issuer.revoke(grant.refresh_token)
        with pytest.raises(LoginNeeded):
            issuer.refresh(grant.refresh_token)

    def test_an_issuer_without_revocation(self, issuer, grant):
        assert not dataclasses.replace(issuer, revocation_endpoint="").revoke(grant.refresh_token)

    def test_a_failed_revocation_is_raised(self, box, issuer, grant):
        box.faults.add("issuer", "POST", f"{CONNECT}/revoke", faults.Status(503, "Busy"))
        with pytest.raises(CtadataError):
            issuer.revoke(grant.refresh_token)


def test_repr_holds_no_secret(profile):
    assert "hidden" not in repr(discover(profile, Secret("hidden")))


def test_a_certified_provider(provider):
    """npm's oidc-provider: device flow through its own pages, rotation, reuse, revocation."""
    scope = "openid offline_access storage.read:/"
    site = Profile(
        name="p", door="https://door", issuer=provider.issuer, client_id=provider.client_id, ca=provider.ca, scope=scope
    )
    issuer = discover(site)
    login = begin_device_login(issuer)
    provider.approve(login.verification_uri_complete)
    first = wait_for_login(issuer, login, stop=Event())
    second = issuer.refresh(first.refresh_token)
    assert second.token.issuer == provider.issuer
    assert second.refresh_token != first.refresh_token
    assert issuer.revoke(second.refresh_token)
    with pytest.raises(LoginNeeded):
        issuer.refresh(second.refresh_token)


class Said:
    """A server that gives the same answer to every request."""

    def __init__(self, document):
        self.document = document

    def get(self, url):
        return JsonResponse("GET", url, 200, "OK", Headers(), self.document, "")


@pytest.mark.parametrize("methods", [5, 1.5, True, "client_secret_post", {}, [[]], [None], None])
def test_authentication_methods_that_are_no_list_are_ignored(methods):
    issuer = "https://issuer/x"
    said = {"issuer": issuer, "token_endpoint": f"{issuer}/t", "token_endpoint_auth_methods_supported": methods}
    profile = Profile("p", "https://door", issuer=issuer, client_id="me")
    assert not Issuer.discover(profile, Said(said), None).secret_in_form
