"""The addresses of the services, and the token for them."""

import pytest
from servers.platform_site import Platform

from ctadata.errors import ConfigError, LoginNeeded
from ctadata.service.endpoints import CERTIFICATES, DOWNLOADS, ServiceEndpoints
from ctadata.stores.download_service.messages import token_page


def test_arguments_come_before_the_environment_and_that_before_the_platform() -> None:
    env = {"CTADS_URL": "https://h/services/downloadservice/", "CTACS_URL": ""}
    place = ServiceEndpoints.now(env=env)
    assert (place.downloadservice, place.certificateservice) == ("https://h/services/downloadservice", CERTIFICATES)
    assert ServiceEndpoints.now(downloadservice="https://i/d", env=env).downloadservice == "https://i/d"
    assert ServiceEndpoints.now(env={}).downloadservice == DOWNLOADS


@pytest.mark.parametrize("url", ["http://h/x", "ftp://h/x", "https://u:p@h/x", "https://h/x?token=y", "nonsense"])
def test_addresses_that_would_leak_the_token_are_refused(url: str) -> None:
    for given in ({"downloadservice": url}, {"certificateservice": url}):
        with pytest.raises(ConfigError) as caught:
            ServiceEndpoints.now(**given)
        assert "p@" not in str(caught.value)


def test_the_token_of_another_hub_goes_only_to_named_services() -> None:
    env = {"JUPYTERHUB_API_TOKEN": "secret", "JUPYTERHUB_PUBLIC_HUB_URL": "https://other.example/hub/"}
    with pytest.raises(LoginNeeded, match=r"other\.example.*CTADS_URL") as caught:
        ServiceEndpoints.now(env=env).token()
    assert "secret" not in str(caught.value)
    assert ServiceEndpoints.now(token="given", env=env).token().text == "given"
    named = {**env, "CTADS_URL": "https://other.example/services/downloadservice"}
    assert ServiceEndpoints.now(env=named).token().text == "secret"
    assert ServiceEndpoints.now(env={"JUPYTERHUB_API_TOKEN": "secret"}).token().text == "secret"
    home = {**env, "JUPYTERHUB_PUBLIC_HUB_URL": "https://platform.cta.cscs.ch/hub/"}
    assert ServiceEndpoints.now(env=home).token().text == "secret"


def test_repr_hides_the_token() -> None:
    place = ServiceEndpoints.now(token="secret", env={})
    assert "secret" not in f"{place!r} {place.token()!r}"


def test_the_users_name_comes_from_the_session_or_the_hub(platform: Platform) -> None:
    env = {"CTADS_URL": platform.ds_url, "JUPYTERHUB_API_TOKEN": platform.token, "JUPYTERHUB_USER": "me"}
    assert ServiceEndpoints.now(env=env).user() == "me"
    assert ServiceEndpoints.now(token=platform.token, env=env).user() == "me"
    assert ServiceEndpoints.now(env={**env, "JUPYTERHUB_USER": ""}).user() == platform.user
    with pytest.raises(ConfigError, match="JUPYTERHUB_USER"):
        ServiceEndpoints.now(token="bad", env={**env, "JUPYTERHUB_USER": ""}).user()


def test_the_hub_of_a_service_may_have_a_prefix() -> None:
    assert token_page("https://h/jupyter/services/downloadservice") == "https://h/jupyter/hub/token"
