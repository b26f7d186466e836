"""JupyterLab at a sandbox, and a panel of its storage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.agent_token import give_token
from servers.jupyterlab import JupyterLab, start_jupyterlab
from servers.moto import MotoS3

from ctadata.sandbox import Sandbox


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the person whose JupyterLab it is."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def login(shared_box: Sandbox, folder: Path) -> Path:
    """The file with the token of the default profile."""
    return give_token("sandbox", shared_box.token(user="ada"), folder / "state" / "ctadata")


@pytest.fixture(scope="module")
def jupyterlab(shared_box: Sandbox, folder: Path, login: Path, moto_s3: MotoS3) -> Iterator[JupyterLab]:
    """A server whose default profile is the sandbox, with three profiles."""
    store = f'\n[profiles.store]\nkind = "s3"\nendpoint = "{moto_s3.url}"\nregion = "{moto_s3.region}"\n'
    toml = shared_box.profile_toml("sandbox") + shared_box.profile_toml("guest") + store
    (folder / "config.toml").write_text(toml)
    env = {
        "CTADATA_CONFIG": str(folder / "config.toml"),
        "CTADATA_PROFILE": "sandbox",
        "XDG_STATE_HOME": str(folder / "state"),
        "AWS_ACCESS_KEY_ID": moto_s3.key.id,
        "AWS_SECRET_ACCESS_KEY": moto_s3.key.secret,
    }
    with start_jupyterlab(folder, env) as lab:
        yield lab
