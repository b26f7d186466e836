"""The real servers as fixtures; each starts once per run, for the first test that asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers.apache import start_apache
from servers.authority import Authority, authority
from servers.pages import approve_device
from servers.provider import AUDIENCE, SCOPE, Provider, start_provider
from servers.real import USER, RealServer
from servers.shared import shared

Approve = Callable[..., str]


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """The folder that all workers of this run share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if hasattr(pytestconfig, "workerinput") else own


@pytest.fixture(scope="session")
def servers_authority(run_folder: Path) -> Authority:
    """The certificate authority of the real servers."""
    return authority(run_folder)


@pytest.fixture(scope="session")
def provider(run_folder: Path, servers_authority: Authority) -> Iterator[Provider]:
    """npm's oidc-provider; its login pages are filled in by `approve`."""
    with shared(run_folder, "provider", lambda start: start_provider(start, servers_authority)) as state:
        yield Provider(state["issuer"], servers_authority.ca)


@pytest.fixture(scope="session")
def apache(run_folder: Path, servers_authority: Authority, provider: Provider) -> Iterator[RealServer]:
    """Apache mod_dav, which takes the provider's tokens."""
    with shared(run_folder, "apache", lambda start: start_apache(start, servers_authority, provider.issuer)) as state:
        yield RealServer(
            url=state["url"],
            ca=Path(state["ca"]),
            data=Path(state["data"]),
            issuer=provider.issuer,
            client_id=provider.client_id,
            scope=SCOPE,
            audience=AUDIENCE,
        )


@pytest.fixture(scope="session")
def approve() -> Approve:
    """`approve(verification_uri_complete, ca, user=...)`: what a person does at the pages of a device login."""

    def person(complete: str, ca: Path, user: str = USER) -> str:
        return approve_device(complete, ca, user)

    return person
