"""The OpenID issuer: documents, device flow, refresh, revocation (agents.md 6; RFC 8628, 6749, 7009, 7636)."""

import base64
import hashlib
import json
from urllib.parse import urlencode, urlsplit

import pytest

from ctadata.sandbox import faults

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


class Client:
    """An OAuth client that sends bare requests."""

    def __init__(self, box, call):
        self.box, self.call = box, call
        self.found = json.loads(call.bare("GET", box.issuer + "/.well-known/openid-configuration").body)

    def post(self, endpoint, headers=None, client=True, **form):
        fields = {"client_id": self.box.client_id, **form} if client else form
        url = self.found[endpoint]
        typed = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        return self.call.bare("POST", url, urlencode(fields).encode(), typed)

    def begin(self, scope="openid offline_access", **form):
        reply = self.post("device_authorization_endpoint", scope=scope, **form)
        assert reply.status == 200, reply
        return json.loads(reply.body)

    def poll(self, grant, **form):
        return self.post("token_endpoint", grant_type=DEVICE, device_code=grant["device_code"], **form)

    def login(self, **form):
        grant = self.begin(**form)
        self.box.approve(grant["user_code"])
        return json.loads(self.poll(grant).body)

    def refresh(self, token, **form):
        return self.post("token_endpoint", grant_type="refresh_token", refresh_token=token, **form)


def error(reply):
    return reply.status, json.loads(reply.body)["error"]


def claims(token):
    middle = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))


@pytest.fixture
def client(box, call):
    return Client(box, call)


@pytest.fixture
def later(make_box, make_caller, clock):
    """A client of a sandbox with a clock that the test moves."""
    box = make_box(clock=clock, interval=5)
    return Client(box, make_caller(box))


# ---- documents


def test_the_issuer_looks_like_keycloak(box, client):
    assert urlsplit(box.issuer).path == "/realms/sandbox"
    assert client.found["issuer"] == box.issuer
    base = box.issuer + "/protocol/openid-connect"
    assert client.found["token_endpoint"] == base + "/token"
    assert client.found["device_authorization_endpoint"] == base + "/auth/device"
    assert client.found["revocation_endpoint"] == base + "/revoke"
    assert DEVICE in client.found["grant_types_supported"]


def test_the_keys_are_public_halves(client):
    keys = json.loads(client.call.bare("GET", client.found["jwks_uri"]).body)["keys"]
    assert [(key["kty"], key["alg"], key["use"]) for key in keys] == [("EC", "ES256", "sig")]
    assert "d" not in keys[0]


def test_unknown_paths_of_the_issuer_are_404(box, call):
    assert call.bare("GET", box.issuer + "/nothing").status == 404
    assert call.bare("POST", box.issuer + "/nothing", b"").status == 404
    assert call.bare("DELETE", box.issuer).status == 405


# ---- the device flow


def test_the_codes(box, client):
    grant = client.begin()
    assert set(grant) == {
        "device_code", "user_code", "verification_uri", "verification_uri_complete", "expires_in", "interval",
    }  # fmt: skip
    assert grant["verification_uri"] == box.issuer + "/device"
    assert grant["verification_uri_complete"] == f"{box.issuer}/device?user_code={grant['user_code']}"
    assert (len(grant["user_code"]), grant["user_code"][4]) == (9, "-")
    assert (grant["expires_in"], grant["interval"]) == (600, 1)


def test_an_interval_that_is_not_announced_is_five_seconds(make_box, make_caller, clock):
    box = make_box(interval=None, clock=clock)
    client = Client(box, make_caller(box))
    grant = client.begin()
    assert "interval" not in grant
    assert error(client.poll(grant)) == (400, "authorization_pending")
    clock.advance(4)
    assert error(client.poll(grant)) == (400, "slow_down")


def test_pending_then_approved(box, later, clock):
    grant = later.begin()
    assert error(later.poll(grant)) == (400, "authorization_pending")
    later.box.approve(grant["user_code"])
    clock.advance(5)
    reply = later.poll(grant)
    assert reply.status == 200
    assert error(later.poll(grant)) == (400, "invalid_grant")


def test_denied(later, clock):
    grant = later.begin()
    later.box.deny(grant["user_code"])
    assert error(later.poll(grant)) == (400, "access_denied")


def test_polling_too_fast_costs_five_seconds_for_good(later, clock):
    grant = later.begin()
    assert error(later.poll(grant)) == (400, "authorization_pending")
    clock.advance(3)
    assert error(later.poll(grant)) == (400, "slow_down")
    clock.advance(6)
    assert error(later.poll(grant)) == (400, "slow_down")
    clock.advance(15)
    assert error(later.poll(grant)) == (400, "authorization_pending")


def test_too_fast_comes_before_denied(later):
    grant = later.begin()
    later.poll(grant)
    later.box.deny(grant["user_code"])
    assert error(later.poll(grant)) == (400, "slow_down")


def test_codes_expire(later, clock):
    grant = later.begin()
    clock.advance(601)
    assert error(later.poll(grant)) == (400, "expired_token")
    with pytest.raises(KeyError):
        later.box.approve(grant["user_code"])
    clock.advance(20)
    assert error(later.poll(grant)) == (400, "invalid_grant")


def test_a_code_of_another_client_is_not_good(client):
    grant = client.begin()
    other = {"client_id": "ctadata-sandbox-confidential", "client_secret": client.box.client_secret}
    assert error(client.poll(grant, **other)) == (400, "invalid_grant")


def test_approval_without_a_person(make_box, make_caller):
    box = make_box(approve=True, user="eve")
    client = Client(box, make_caller(box))
    token = json.loads(client.poll(client.begin()).body)["access_token"]
    assert claims(token)["preferred_username"] == "eve"


def s256(verifier):
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


@pytest.mark.parametrize("verifier", ["right", "wrong", None])
def test_pkce_is_checked_when_given(later, verifier):
    grant = later.begin(code_challenge=s256("right"), code_challenge_method="S256")
    later.box.approve(grant["user_code"])
    reply = later.poll(grant, **({"code_verifier": verifier} if verifier else {}))
    assert reply.status == (200 if verifier == "right" else 400)


# ---- the page


def test_a_person_approves(client):
    grant = client.begin()
    page = client.call.bare("GET", grant["verification_uri_complete"])
    assert (page.status, page["Content-Type"]) == (200, "text/html;charset=UTF-8")
    assert grant["user_code"].encode() in page.body
    assert b'value="approve"' in page.body
    form = urlencode({"user_code": grant["user_code"], "user": "bo", "answer": "approve"}).encode()
    assert b"Approved" in client.call.bare("POST", grant["verification_uri"], form).body
    token = json.loads(client.poll(grant).body)["access_token"]
    assert claims(token)["preferred_username"] == "bo"


def test_a_person_denies(client):
    grant = client.begin()
    form = urlencode({"user_code": grant["user_code"].lower().replace("-", ""), "answer": "deny"}).encode()
    assert b"Denied" in client.call.bare("POST", grant["verification_uri"], form).body
    assert error(client.poll(grant)) == (400, "access_denied")


def test_a_person_types_the_code(client):
    grant = client.begin()
    assert b'name="user_code"' in client.call.bare("GET", grant["verification_uri"]).body
    wrong = client.call.bare("GET", grant["verification_uri"] + "?user_code=%3Cscript%3E")
    assert b"not valid" in wrong.body
    assert b"<script>" not in wrong.body


# ---- tokens


def test_a_login_returns_tokens(box, client):
    got = client.login()
    assert (got["token_type"], got["expires_in"], got["refresh_expires_in"]) == ("Bearer", 300, 0)
    assert got["scope"] == "openid offline_access"
    found = claims(got["access_token"])
    assert found["iss"] == box.issuer
    assert found["exp"] - found["iat"] == 300
    assert (found["preferred_username"], found["email"]) == ("ada", "ada@sandbox.example")
    assert (found["wlcg.ver"], found["scope"]) == ("1.0", "openid offline_access")
    assert claims(got["id_token"])["aud"] == box.client_id
    headers = {"Authorization": f"Bearer {got['access_token']}"}
    assert client.call.bare("HEAD", box.door + "/", headers=headers).status == 200


def test_the_lifetime_of_tokens_is_a_choice(make_box, make_caller):
    box = make_box(token_lifetime=7)
    got = Client(box, make_caller(box)).login()
    found = claims(got["access_token"])
    assert (got["expires_in"], found["exp"] - found["iat"]) == (7, 7)


def test_an_audience_can_be_asked_for(client):
    grant = client.begin()
    client.box.approve(grant["user_code"])
    token = json.loads(client.poll(grant, audience="somebody").body)["access_token"]
    assert claims(token)["aud"] == "somebody"


def test_refresh_tokens_rotate(client):
    first = client.login()
    second = json.loads(client.refresh(first["refresh_token"]).body)
    assert second["refresh_token"] != first["refresh_token"]
    assert claims(second["access_token"])["sid"] == claims(first["access_token"])["sid"]


def test_reuse_revokes_the_family(client):
    first = client.login()
    second = json.loads(client.refresh(first["refresh_token"]).body)
    assert error(client.refresh(first["refresh_token"])) == (400, "invalid_grant")
    assert error(client.refresh(second["refresh_token"])) == (400, "invalid_grant")


def test_without_rotation_old_refresh_tokens_stay_good(make_box, make_caller):
    box = make_box(rotate=False)
    client = Client(box, make_caller(box))
    first = client.login()
    assert client.refresh(first["refresh_token"]).status == 200
    assert client.refresh(first["refresh_token"]).status == 200


def test_without_offline_access_a_login_idles_out(later, clock):
    short = later.login(scope="openid")
    assert short["refresh_expires_in"] == 1800
    clock.advance(1700)
    short = json.loads(later.refresh(short["refresh_token"]).body)
    clock.advance(1801)
    assert error(later.refresh(short["refresh_token"])) == (400, "invalid_grant")


def test_with_offline_access_it_does_not(later, clock):
    got = later.login()
    clock.advance(86400)
    assert later.refresh(got["refresh_token"]).status == 200


def test_revocation(client):
    got = client.login()
    reply = client.post("revocation_endpoint", token=got["refresh_token"], token_type_hint="refresh_token")
    assert (reply.status, reply.body) == (200, b"")
    assert error(client.refresh(got["refresh_token"])) == (400, "invalid_grant")
    assert client.post("revocation_endpoint", token="unknown").status == 200


def test_all_sessions_can_be_revoked(client):
    got = client.login()
    client.box.revoke_sessions()
    assert error(client.refresh(got["refresh_token"])) == (400, "invalid_grant")


def test_other_grants(client):
    reply = client.post("token_endpoint", grant_type="password", username="ada", password="x")
    assert error(reply) == (400, "unsupported_grant_type")


# ---- clients


def test_an_unknown_client(client):
    assert error(client.refresh("x", client_id="nobody")) == (401, "invalid_client")


def test_a_public_client_may_send_a_secret(client):
    assert error(client.refresh("x", client_secret="ignored")) == (400, "invalid_grant")


@pytest.fixture
def confidential(make_box, make_caller):
    box = make_box(confidential=True)
    return Client(box, make_caller(box))


def basic(identifier, secret):
    pair = urlencode({"": identifier})[1:] + ":" + urlencode({"": secret})[1:]
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def test_client_secret_post(confidential):
    secret = confidential.box.client_secret
    assert error(confidential.refresh("x", client_secret=secret)) == (400, "invalid_grant")
    assert error(confidential.refresh("x", client_secret="wrong")) == (401, "unauthorized_client")
    assert error(confidential.refresh("x")) == (401, "unauthorized_client")


def test_client_secret_basic_is_form_encoded_first(confidential):
    """The secret has characters that must be encoded (RFC 6749 section 2.3.1)."""
    box = confidential.box
    form = {"client": False, "grant_type": "refresh_token", "refresh_token": "x"}
    right = confidential.post("token_endpoint", basic(box.client_id, box.client_secret), **form)
    assert error(right) == (400, "invalid_grant")
    bare = base64.b64encode(f"{box.client_id}:{box.client_secret}".encode()).decode()
    assert error(confidential.post("token_endpoint", {"Authorization": f"Basic {bare}"}, **form))[0] == 401
    assert error(confidential.post("token_endpoint", {"Authorization": "Basic =="}, **form))[0] == 401


# ---- faults


def test_a_wrong_issuer_in_discovery(box, call):
    path = urlsplit(box.issuer).path + "/.well-known/openid-configuration"
    box.faults.add("issuer", "GET", path, faults.WrongIssuer("https://evil.example"), times=1)
    assert Client(box, call).found["issuer"] == "https://evil.example"
    assert Client(box, call).found["issuer"] == box.issuer


def test_offline_access_can_be_refused(client):
    client.box.faults.add("issuer", "POST", "*", faults.RefuseOffline())
    assert error(client.post("device_authorization_endpoint", scope="openid offline_access")) == (
        400,
        "invalid_scope",
    )
    assert client.post("device_authorization_endpoint", scope="openid").status == 200


@pytest.mark.parametrize(
    "fault",
    [
        faults.Status(500, "Internal Server Error"),
        faults.Status(503, "Service Unavailable", b"<html>sorry</html>", (("Content-Type", "text/html"),)),
        faults.Status(429, "Too Many Requests", headers=(("Retry-After", "7"),)),
        faults.Status(200, "OK", b"<html>portal</html>", (("Content-Type", "text/html"),)),
    ],
)
def test_answers_that_are_not_the_issuers(client, fault):
    client.box.faults.add("issuer", "POST", "/realms/sandbox/protocol/openid-connect/token", fault, times=1)
    reply = client.refresh("x")
    assert (reply.status, reply.reason, reply.body) == (fault.code, fault.reason, fault.body)
    assert all(reply[name] == value for name, value in fault.headers)
    assert error(client.refresh("x")) == (400, "invalid_grant")


def test_a_lost_answer_to_a_refresh_costs_the_login(client):
    """The server rotated the token and its answer was lost, so the retry counts as a reuse (agents.md 6)."""
    got = client.login()
    rule = client.box.faults.add("issuer", "POST", "*", faults.LostAnswer(), times=1)
    with pytest.raises(ConnectionError):
        client.refresh(got["refresh_token"])
    assert rule.hits == 1
    assert error(client.refresh(got["refresh_token"])) == (400, "invalid_grant")
