"""Every code block of README and guides is executed, as it stands, at a sandbox."""

import configparser
import contextlib
import os
import pty
import re
import shlex
import subprocess
import sys
import sysconfig
import termios
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import pytest
from servers.agent_token import give_token
from servers.moto import MotoS3
from servers.platform_site import Platform

from ctadata.config.resolve import resolve_profile
from ctadata.errors import LoginNeeded
from ctadata.sandbox import Sandbox, add_example_files, write_local_examples

ROOT = Path(__file__).parents[2]
REAL = {
    "agent.md": ("systemd",),
    "dcache.md": ("curl",),
    "other-programs.md": ("curl", "rclone", "gfal"),
    "third-party.md": ("jq",),
}  # pages whose programs do not come from PyPI
QUICK = ("README.md",)  # every run of the suite tries these, a full one all
PAGES = [
    pytest.param(
        page, id=page.name, marks=() if page.name in QUICK else pytest.mark.full(*REAL.get(page.name, ["guides"]))
    )
    for page in [ROOT / "README.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]
    if "```" in page.read_text()
]
SLURM_TASK = {
    f"SLURM_ARRAY_TASK_{name}": number
    for name, number in zip(("ID", "MIN", "MAX", "STEP", "COUNT"), ("3", "0", "15", "1", "16"), strict=True)
}
PATIENCE = 600.0
BY_THEMSELVES = {"bin/test\n"}  # what runs this very test


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of each fenced block."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def store(moto_s3: MotoS3) -> str:
    """The profile of an S3 store with the bucket `my-bucket`."""
    with contextlib.suppress(moto_s3.client().exceptions.BucketAlreadyOwnedByYou):
        moto_s3.client().create_bucket(
            Bucket="my-bucket", CreateBucketConfiguration={"LocationConstraint": moto_s3.region}
        )
    return f'\n[profiles.store]\nkind = "s3"\nendpoint = "{moto_s3.url}"\nregion = "{moto_s3.region}"\n'


@contextlib.contextmanager
def _another(request: pytest.FixtureRequest, box: Sandbox, folder: Path) -> Iterator[dict[str, Any]]:
    """For the page about two sites a second one, with the agent's token for each."""
    if "third-party" not in request.node.name:
        yield {}
        return
    with Sandbox(approve=True) as other:
        box.trust(other)
        other.trust(box)
        for name, site in (("sandbox", box), ("other", other)):
            give_token(name, site.token(user="ada"), folder / "state" / "ctadata")
        yield {"profile": other.profile_toml("other"), "env": {"OTHER_DOOR": other.door}}


@pytest.fixture
def env(tmp_path: Path, platform: Platform, store: str, request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """A user at a sandbox that has what the pages speak of; a new virtual environment finds the libraries of ours."""
    with h5py.File(tmp_path / "events.h5", "w") as file:
        file["events"] = [1, 2]
    platform.put("lst/run1/events.h5", (tmp_path / "events.h5").read_bytes())
    platform.put("lst/run1/log/a.txt", b"log")
    with Sandbox(approve=True, qos_engine=True) as box, _another(request, box, tmp_path) as other:
        add_example_files(box)
        (tmp_path / "config.toml").write_text(box.profile_toml("sandbox") + store + other.get("profile", ""))
        here = tmp_path / "here"
        write_local_examples(here)
        (here / "copied.txt").write_text('export AWS_ACCESS_KEY_ID="A"\nexport AWS_SECRET_ACCESS_KEY="B"\n')
        (here / "hub-token.txt").write_text(f"{platform.token}\n")
        (here / "user.pem").write_bytes(platform.papers.certificate())
        env = {
            **os.environ,
            "PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "XDG_STATE_HOME": str(tmp_path / "state"),
            "CTADATA_CONFIG": str(tmp_path / "config.toml"),
            "CTADATA_PROFILE": "sandbox",
            "DOOR": box.door,
            "CTADS_URL": platform.ds_url,
            "CTACS_URL": platform.cs_url,
            "JUPYTERHUB_API_TOKEN": platform.token,
            "CURL_CA_BUNDLE": str(box.ca),
            "RCLONE_CA_CERT": str(box.ca),
            "RCLONE_CONFIG": os.devnull,
            "SSL_CERT_FILE": str(box.ca),
            "GFAL_PYTHONBIN": "/usr/bin/python3",  # Debian's, which has gfal2
            "PYTHONPATH": os.pathsep.join([sysconfig.get_path("purelib"), os.environ.get("PYTHONPATH", "")]),
            **SLURM_TASK,
            "PIP_NO_DEPS": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # pip reads this one the wrong way round: it switches the isolation off
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            **other.get("env", {}),
        }
        yield env
        subprocess.run([sys.executable, "-m", "ctadata", "stop-agent"], env=env, capture_output=True, timeout=PATIENCE)


def run(argv: list[str], text: str, env: dict[str, str], cwd: Path) -> None:
    result = subprocess.run(argv, input=text, env=env, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE)
    assert result.returncode == 0, f"{text}\n{result.stdout}\n{result.stderr}"


def check_unit(text: str, env: dict[str, str], tmp_path: Path) -> None:
    """A unit of systemd: systemd has nothing to say against it, and what it starts is a command with such options."""
    path = tmp_path / "of-the-guide.service"
    path.write_text(text.replace("%h/ctadata/bin", sysconfig.get_path("scripts")))
    said = subprocess.run(
        ["systemd-analyze", "--user", "verify", path], env=env, capture_output=True, text=True, timeout=PATIENCE
    )
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(text)
    program, *words = shlex.split(unit["Service"]["ExecStart"])
    run([Path(program).name, *words, "--help"], "", env, tmp_path)
    codes = set(unit["Service"]["RestartPreventExitStatus"].split())
    assert str(LoginNeeded.exit_code) in codes


def leave_with_f10(line: str, env: dict[str, str], cwd: Path) -> None:
    """A command that fills the terminal: it draws its keys, and F10 ends it."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(ours, (24, 80))
    command = ["setsid", "--ctty", "--wait", "bash", "-c", line]
    process = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=env | {"TERM": "xterm"}, cwd=cwd)
    os.close(its)
    shown = b""
    with contextlib.suppress(OSError):  # EIO: the program has ended
        while block := os.read(ours, 65536):
            if b"F10" in block and b"F10" not in shown:
                os.write(ours, b"\x1b[21~")
            shown += block
    os.close(ours)
    assert (process.wait(PATIENCE), b"F10" in shown) == (0, True), shown.decode(errors="replace")


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_work_one_after_the_other(page: Path, env: dict[str, str], tmp_path: Path) -> None:
    found = blocks(page)
    assert found
    for language, text in found:
        if text in BY_THEMSELVES:
            assert (ROOT / text.strip()).stat().st_mode & 0o111
        elif language == "sh":
            cwd = ROOT if "bin/demo" in text or "pip install ." in text else tmp_path / "here"
            set_elsewhere = {"CTADATA_DOOR": "https://192.0.2.1"} if "bin/demo" in text else {}  # nothing to the demo
            run(["bash", "-euo", "pipefail"], text, env | set_elsewhere, cwd)
        elif language == "terminal":
            for line in text.splitlines():
                leave_with_f10(line, env, tmp_path / "here")
        elif language == "python":
            (tmp_path / "block.py").write_text(text)  # a process that it spawns imports it again
            run([sys.executable, str(tmp_path / "block.py")], "", env, tmp_path / "here")
        elif language == "condor":
            job = dict(re.findall(r"^(\w+) *= *(.*)$", text, re.MULTILINE))
            words = shlex.split(f"{job['executable']} {job['arguments']}".replace("$(Process)", "0"))
            run(words, "", env, tmp_path / "here")
        elif language == "jdl":
            job = dict(re.findall(r'^(\w+) *= *"?(.*?)"?;$', text, re.MULTILINE))
            for number in ("00", str(int(job["Parameters"]) - 1)):  # as DIRAC's generateParametricJobs writes them
                words = shlex.split(f"{job['Executable']} {job['Arguments']}".replace("%n", number))
                run(words, "", env, tmp_path / "here")
        elif language == "ini":
            check_unit(text, env, tmp_path)
        elif language == "toml":
            (tmp_path / "own.toml").write_text(text)
            name = next(iter(tomllib.loads(text)["profiles"]))
            assert resolve_profile(name, env={}, config_file=tmp_path / "own.toml").profile.name == name
        else:
            pytest.fail(f"a block of {language}: nothing executes it")
