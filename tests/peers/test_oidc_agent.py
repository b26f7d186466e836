"""oidc-agent itself, without our code: what we build on, and where it fails, at two certified issuers."""

from __future__ import annotations

import stat

import pytest
from servers.oidc_agent import Failed

ACCOUNT = "telescope"


@pytest.fixture
def agent(oidc_agent):
    with oidc_agent.running():
        yield oidc_agent


@pytest.fixture(params=["keycloak", "provider"])
def login(request, oidc_agent):
    """`login(client, secret)`: make the account, at each of the issuers in turn."""
    server = request.getfixturevalue(request.param)
    issuer = server.issuer("rotating") if request.param == "keycloak" else server.issuer

    def make(client, secret=""):
        oidc_agent.generate(ACCOUNT, issuer, client, server.approve, secret)
        return issuer

    make.of = request.param
    return make


def test_a_login_without_a_terminal_and_tokens_over_the_socket(agent, login):
    issuer = login("plain", "plain-secret")
    assert ACCOUNT in agent.ask("loaded_accounts")["info"]
    answer = agent.ask("access_token", account=ACCOUNT, min_valid_period=30)
    assert answer["status"] == "success"
    assert answer["issuer"].rstrip("/") == issuer
    assert isinstance(answer["expires_at"], int)
    assert agent.token(ACCOUNT, 30) == answer["access_token"]  # out of its memory


def test_a_token_cannot_live_longer_than_it_does(agent, login):
    """Asked for more life than there is, it asks the issuer each time, and says nothing."""
    login("plain", "plain-secret")
    assert len({agent.token(ACCOUNT, 1_000_000) for _ in range(3)}) == 3


def test_a_rotated_refresh_token_is_saved_where_the_password_file_has_an_absolute_path(oidc_agent, login):
    with oidc_agent.running():
        login("plain", "plain-secret")
        for _ in range(3):
            oidc_agent.token(ACCOUNT, 1_000_000)
    with oidc_agent.running():
        oidc_agent.load(ACCOUNT)
        assert oidc_agent.token(ACCOUNT, 1_000_000)


def test_what_it_writes_is_readable_but_for_its_directory(agent, login):
    login("plain", "plain-secret")
    assert stat.filemode((agent.accounts / ACCOUNT).stat().st_mode) == "-rw-r--r--"
    assert "plain-secret" not in (agent.accounts / ACCOUNT).read_text()


def test_a_public_client(agent, login):
    """It says who it is by an empty secret: Keycloak takes that, oidc-provider does not."""
    if login.of == "keycloak":
        login("public")
        assert agent.token(ACCOUNT)
    else:
        with pytest.raises(Failed, match="invalid_request"):
            login("ctadata-tests")


def test_no_account_is_taken_for_another(agent, login):
    login("plain", "plain-secret")
    for name in (ACCOUNT[:-1], ACCOUNT + "s", ACCOUNT.upper(), ""):
        assert agent.ask("access_token", account=name)["status"] == "failure"


def test_a_client_that_must_send_pkce_is_not_for_it(agent, keycloak):
    with pytest.raises(Failed, match="code_challenge_method"):
        agent.generate(ACCOUNT, keycloak.issuer("lasting"), "pkce", keycloak.approve)


def test_a_secret_with_signs_is_not_for_it(agent, keycloak):
    """It encodes nothing that it sends."""
    with pytest.raises(Failed, match="unauthorized_client"):
        agent.generate(ACCOUNT, keycloak.issuer("lasting"), "confidential", keycloak.approve, keycloak.client_secret)


def test_a_login_that_is_over_is_told_at_once(oidc_agent, login):
    """With `--no-autoreauthenticate`: by default it would begin a login of its own, deaf to everybody else."""
    with oidc_agent.running():
        login("plain", "plain-secret")
        copied = (oidc_agent.accounts / ACCOUNT).read_bytes()
        oidc_agent.token(ACCOUNT, 1_000_000)
    (oidc_agent.accounts / ACCOUNT).write_bytes(copied)  # as on another machine, where nobody knows of the refresh
    with oidc_agent.running(), pytest.raises(Failed, match="invalid_grant"):
        oidc_agent.load(ACCOUNT)
        oidc_agent.token(ACCOUNT, 1_000_000)
