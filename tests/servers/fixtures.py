"""The servers as fixtures; each real one starts once per run, for the first test that asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from servers.apache import start_apache
from servers.authority import Authority, authority
from servers.forkserver import FORKS
from servers.jupyterhub import JupyterHub, start_jupyterhub
from servers.keycloak import Keycloak, client_secret, start_keycloak
from servers.moto import MotoS3, moto_server
from servers.nginx import start_nginx
from servers.oidc_agent import OidcAgent, new_oidc_agent
from servers.platform_site import Platform
from servers.provider import Provider, start_provider
from servers.rclone import start_rclone
from servers.real import USER, PlainDoor, RealServer
from servers.rgw import Rgw, start_rgw
from servers.s3_servers import S3Server, s3_server, start_minio_of_logins, start_s3_server
from servers.shared import Start, State, shared
from servers.wsgi import start_wsgidav
from servers.xrootd import start_xrootd

from ctadata.sandbox import Sandbox


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """The folder that all workers of this run share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if hasattr(pytestconfig, "workerinput") else own


@pytest.fixture(scope="session")
def forks(pytestconfig: pytest.Config) -> Iterator[None]:
    """The quick suite forks for the runs of the command, until it ends; with --full each is started as by a shell."""
    FORKS.is_used = not pytestconfig.getoption("--full")
    yield
    FORKS.close()


@pytest.fixture(scope="session")
def servers_authority(run_folder: Path) -> Authority:
    """The certificate authority of the real servers."""
    return authority(run_folder)


@pytest.fixture(scope="session")
def provider(run_folder: Path, servers_authority: Authority) -> Iterator[Provider]:
    """npm's oidc-provider."""
    with shared(run_folder, "provider", lambda start: start_provider(start, servers_authority)) as state:
        yield Provider(state["issuer"], servers_authority.ca)


@pytest.fixture(scope="session")
def keycloak(run_folder: Path, servers_authority: Authority) -> Iterator[Keycloak]:
    """Keycloak with the realms that it imports."""
    with shared(run_folder, "keycloak", lambda start: start_keycloak(start, servers_authority)) as state:
        yield Keycloak(state["url"], servers_authority.ca, client_secret())


@pytest.fixture(scope="session")
def apache(run_folder: Path, servers_authority: Authority, provider: Provider) -> Iterator[RealServer]:
    """Apache mod_dav, which takes the tokens of `provider`."""
    with shared(run_folder, "apache", lambda start: start_apache(start, servers_authority, provider.issuer)) as state:
        yield RealServer(
            state["url"], Path(state["ca"]), Path(state["data"]), issuer=provider.issuer, client_id=provider.client_id
        )


@contextmanager
def _plain(root: Path, name: str, start: Callable[[Start], State]) -> Iterator[PlainDoor]:
    with shared(root, name, start) as state:
        pools = tuple(f"127.0.0.1:{port}" for port in state.get("pools", "").split())
        yield PlainDoor(
            state["url"], Path(state["ca"]), Path(state["data"]), state["token"], pools, state.get("issuer", "")
        )


@pytest.fixture(scope="session")
def xrootd(run_folder: Path, servers_authority: Authority) -> Iterator[PlainDoor]:
    """XRootD: a manager that redirects to two data servers, with the token in the address."""
    with _plain(run_folder, "xrootd", lambda start: start_xrootd(start, servers_authority, "cluster")) as door:
        yield door


@pytest.fixture(scope="session")
def xrootd_downgrade(run_folder: Path, servers_authority: Authority) -> Iterator[PlainDoor]:
    """XRootD as a door over https that redirects to http, with the token in the address."""
    with _plain(run_folder, "downgrade", lambda start: start_xrootd(start, servers_authority, "downgrade")) as door:
        yield door


@pytest.fixture(scope="session")
def nginx(run_folder: Path, servers_authority: Authority) -> Iterator[PlainDoor]:
    """nginx with its WebDAV modules."""
    with _plain(run_folder, "nginx", lambda start: start_nginx(start, servers_authority)) as door:
        yield door


@pytest.fixture(scope="session")
def rclone_webdav(run_folder: Path, servers_authority: Authority) -> Iterator[PlainDoor]:
    """`rclone serve webdav`."""
    with _plain(run_folder, "rclone", lambda start: start_rclone(start, servers_authority)) as door:
        yield door


@pytest.fixture(scope="session")
def rgw(run_folder: Path, servers_authority: Authority) -> Iterator[Rgw]:
    """Ceph's object gateway."""
    with shared(run_folder, "rgw", lambda start: start_rgw(start, servers_authority)) as state:
        yield Rgw(state["http"], state["https"], servers_authority.ca, Path(state["folder"]))


def _s3(name: str) -> Callable[[Path, Authority], Iterator[S3Server]]:
    @pytest.fixture(scope="session")
    def server(run_folder: Path, servers_authority: Authority) -> Iterator[S3Server]:
        with shared(run_folder, name, lambda start: start_s3_server(start, name)) as state:
            yield s3_server(name, state, servers_authority.ca)

    return server


minio = _s3("minio")


@pytest.fixture(scope="session")
def minio_of_logins(run_folder: Path, servers_authority: Authority, keycloak: Keycloak) -> Iterator[S3Server]:
    """MinIO, which gives keys for the tokens of Keycloak."""
    issuer = keycloak.issuer("lasting")
    with shared(
        run_folder, "minio_of_logins", lambda start: start_minio_of_logins(start, issuer, keycloak.ca)
    ) as state:
        yield s3_server("minio", state, servers_authority.ca)


versitygw = _s3("versitygw")
s3proxy = _s3("s3proxy")
s3rver = _s3("s3rver")
rclone_s3 = _s3("rclone_s3")


@pytest.fixture(scope="session")
def wsgidav(tmp_path_factory: pytest.TempPathFactory, servers_authority: Authority) -> Iterator[RealServer]:
    """wsgidav, which takes the tokens of a sandbox's issuer; one for each worker, because a sandbox is."""
    own = tmp_path_factory.getbasetemp()
    with (
        Sandbox(user=USER, token_lifetime=86400) as box,  # a token outlasts the run
        shared(own, "wsgidav", lambda start: start_wsgidav(start, servers_authority, box.issuer, box.ca)) as state,
    ):
        yield RealServer(
            state["url"], Path(state["ca"]), Path(state["data"]), issuer=box.issuer, client_id=box.client_id
        )


@pytest.fixture(scope="module")
def shared_box() -> Iterator[Sandbox]:
    with Sandbox(approve=True, write_anywhere=True) as box:
        yield box


@pytest.fixture
def box(shared_box: Sandbox) -> Iterator[Sandbox]:
    """The sandbox of the module, without faults, its record empty; folders of tests may have a `box` of their own."""
    shared_box.forget_seen()
    yield shared_box
    shared_box.faults.clear()


@pytest.fixture(scope="session")
def moto_s3() -> Iterator[MotoS3]:
    """moto's S3; one for each worker, in its process."""
    with moto_server() as server:
        yield server


@pytest.fixture
def oidc_agent(servers_authority: Authority) -> Iterator[OidcAgent]:
    """oidc-agent, with no accounts yet; it runs in the block of its `running()`."""
    with new_oidc_agent(servers_authority.ca) as agent:
        yield agent


@pytest.fixture(scope="session")
def analysis() -> Path:
    """A Python that has the libraries of analysis; `.ci/analysis` makes it."""
    python = Path(__file__).with_name("analysis-venv") / "bin" / "python"
    assert python.exists(), ".ci/analysis has not run"
    return python


@pytest.fixture(scope="session")
def cluster() -> Path:
    """A Python that has dask-jobqueue and MPI; `.ci/cluster` makes it."""
    python = Path(__file__).with_name("cluster-venv") / "bin" / "python"
    assert python.exists(), ".ci/cluster has not run"
    return python


@pytest.fixture(scope="session")
def jupyterhub(run_folder: Path) -> Iterator[JupyterHub]:
    """JupyterHub, with the platform's two services."""
    with shared(run_folder, "jupyterhub", start_jupyterhub) as state:
        yield JupyterHub(state["url"], state["key"], Path(state["homes"]))


@pytest.fixture(scope="session")
def _platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    platform = Platform(tmp_path_factory.mktemp("platform") / "here")
    yield platform
    platform.stop()


@pytest.fixture
def platform(_platform: Platform) -> Iterator[Platform]:
    """The platform's services with an empty storage; nothing in the environment leads there."""
    _platform.fresh()
    yield _platform
    _platform.release()


@pytest.fixture
def on_platform(platform: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Platform:
    """The platform as a session on it has it: three variables are set, the working directory is empty."""
    monkeypatch.setenv("CTADS_URL", platform.ds_url)
    monkeypatch.setenv("CTACS_URL", platform.cs_url)
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", platform.token)
    (tmp_path / "here").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "here")
    return platform
