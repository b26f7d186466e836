"""What every test shares: the options of the suite, a clean environment, and the guard of the network."""

from __future__ import annotations

import faulthandler
import logging
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from ctadata.sandbox import Sandbox

HERE = Path(__file__).parent
GUARD = HERE / "guard"
sys.path += [str(HERE), str(GUARD), str(HERE.parent)]  # at the end: a folder of the tests must not hide a library

import loopback  # noqa: E402

loopback.install()
sys.dont_write_bytecode = (
    False  # else each worker compiles the tests anew, and each process that one starts the package
)
pytest_plugins = ["servers.fixtures", "peers.fixtures"]

# Fixtures of what does not come from PyPI:
REAL_PARTS = {
    "analysis",
    "apache",
    "cluster",
    "jupyterhub",
    "jupyterlab",
    "keycloak",
    "minio",
    "minio_of_logins",
    "provider",
    "nginx",
    "rclone_s3",
    "rclone_webdav",
    "rgw",
    "s3proxy",
    "s3rver",
    "versitygw",
    "xrootd",
    "xrootd_downgrade",
    "aria2",
    "curl",
    "davix",
    "gfal",
    "litmus",
    "oidc_agent",
    "rclone",
    "rucio",
    "second_user",
    "slurm",
}
FOREIGN = (
    "AWS_",
    "BEARER_TOKEN",
    "CTACS_",
    "CTADATA_",
    "CTADS_",
    "JUPYTERHUB_",
    "SSL_CERT_",
    "XDG_",
)  # variables of whoever runs the suite: these prefixes
FOREIGN_NAMES = {
    *("ALL_PROXY", "FTP_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
    *("CURL_CA_BUNDLE", "CURL_HOME", "OIDC_SOCK", "REQUESTS_CA_BUNDLE", "X509_CERT_DIR", "X509_USER_PROXY"),
    *("CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "FORCE_COLOR", "GITHUB_ACTIONS", "LINES", "NO_COLOR", "PY_COLORS"),
    "PYTHONDONTWRITEBYTECODE",
}
LINGERING = 60
"""Seconds that the run may take to end when all tests are done."""
LEFT_OUT = pytest.StashKey[Counter[str]]()

hypothesis.settings.register_profile("suite", deadline=None, database=None)  # a busy machine is no failure
hypothesis.settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full", action="store_true", help="with the real servers and clients; a missing one is a failure"
    )
    parser.addoption("--soak", action="store_true", help="long counts in full")
    parser.addoption("--seed", type=int, help="repeat a run of the random tests")


# --- random tests: one seed a run, printed ---


@pytest.hookimpl(tryfirst=True)  # hypothesis reads its seed in this hook
def pytest_configure(config: pytest.Config) -> None:
    """Choose the seed where none is given; a worker takes its controller's. Let Ctrl-C be heard everywhere."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts what it puts into the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    option = config.option
    if hasattr(config, "workerinput"):
        option.seed = config.workerinput["seed"]
    elif option.seed is None:
        option.seed = random.SystemRandom().randrange(2**32)
    option.hypothesis_seed = option.hypothesis_seed or str(option.seed)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    node.workerinput["seed"] = node.config.option.seed


def pytest_report_header(config: pytest.Config) -> str:
    return f"random tests: repeat with --seed {config.option.seed}"


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Random numbers of this test in this run; `--seed` brings the same ones again, whatever else runs."""
    return random.Random(f"{request.config.option.seed} {request.node.nodeid}")


@pytest.fixture
def count(request: pytest.FixtureRequest) -> Callable[..., int]:
    """`count(small, long, full=...)`: how often to repeat; the long count with `--soak`, `full` with `--full`."""
    option = request.config.option

    def times(small: int, long: int, full: int | None = None) -> int:
        return long if option.soak else full if option.full and full is not None else small

    return times


# --- what needs more than PyPI is left out without --full, and the closing lines say so ---


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect, unless `--full`, what is marked `full` or asks for the fixture of a real part; count it by part."""
    real = {item: _real_parts(item) for item in items}
    if config.option.full:
        return
    config.stash[LEFT_OUT] = Counter(part for parts in real.values() for part in parts)
    config.stash[LEFT_OUT]["tests"] = sum(bool(parts) for parts in real.values())
    config.hook.pytest_deselected(items=[item for item in items if real[item]])
    items[:] = [item for item in items if not real[item]]


def _real_parts(item: pytest.Item) -> set[str]:
    marks = [set(mark.args) or {"others"} for mark in item.iter_markers("full")]
    return REAL_PARTS.intersection(getattr(item, "fixturenames", ())).union(*marks)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left out"] = dict(session.config.stash.get(LEFT_OUT, Counter()))


def pytest_unconfigure(config: pytest.Config) -> None:
    """A run that does not end, as for a thread that a test has left, shows all threads, and ends."""
    if not hasattr(config, "workerinput"):  # a worker waits for its controller, which ends it
        sys.stdout.flush()  # the exit would lose the closing line in a pipe
        faulthandler.dump_traceback_later(LINGERING, exit=True, file=sys.__stderr__ or 2)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Every worker collects the same tests, so any worker's count is the run's."""
    node.config.stash[LEFT_OUT] = Counter(getattr(node, "workeroutput", {}).get("left out", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config) -> None:
    left_out = config.stash.get(LEFT_OUT, Counter())
    tests = left_out.pop("tests", 0)
    if tests:
        parts = ", ".join(f"{part} {number}" for part, number in sorted(left_out.items()))
        terminalreporter.line(
            f"left out: {tests} tests of real servers and clients ({parts}); bin/test --full runs them"
        )
    if exitstatus:
        terminalreporter.line(f"random tests: repeat with --seed {config.option.seed}")


# --- a log as it was, a clean environment, and nobody to talk to but this machine ---


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """A command that ran in this process sends the package's log to its stderr: it ends with the test."""
    log = logging.getLogger("ctadata")
    level, handlers, propagate = log.level, log.handlers[:], log.propagate
    yield
    log.setLevel(level)
    log.handlers[:] = handlers
    log.propagate = propagate
    logging.disable(logging.NOTSET)


def _home(folder: Path, env: pytest.MonkeyPatch) -> Path:
    """Make `folder` the home, and the place of everything that XDG names; return the guard's log in it."""
    places = {
        "CONFIG_HOME": ".config",
        "DATA_HOME": ".local/share",
        "STATE_HOME": ".local/state",
        "CACHE_HOME": ".cache",
    }
    for name, place in places.items():
        env.setenv(f"XDG_{name}", str(folder / place))
    runtime = folder / "run"
    runtime.mkdir(mode=0o700)
    env.setenv("XDG_RUNTIME_DIR", str(runtime))
    env.setenv("HOME", str(folder))
    log = folder / "refused"
    env.setenv(loopback.LOG, str(log))
    return log


def _refused(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


@pytest.fixture(scope="session", autouse=True)
def _clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing of the caller's environment reaches a test or a server; the guard reaches child processes."""
    with pytest.MonkeyPatch.context() as env:
        for name in [name for name in os.environ if name.upper() in FOREIGN_NAMES or name.startswith(FOREIGN)]:
            env.delenv(name)
        env.setenv("PYTHONPATH", str(GUARD), prepend=os.pathsep)
        log = _home(tmp_path_factory.mktemp("home"), env)
        yield
    assert not _refused(log), "a fixture of the session wanted to leave this machine"


@pytest.fixture(autouse=True)
def _own_home(_clean_environment: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A fresh home for each test; a test that wanted to leave this machine fails, also where its code swallowed it."""
    with pytest.MonkeyPatch.context() as env:
        log = _home(tmp_path_factory.mktemp("home"), env)
        yield log
    assert not _refused(log), f"this test wanted to leave this machine: {_refused(log)}"


@pytest.fixture
def use_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Sandbox], None]:
    """`use_sandbox(box)`: the sandbox is the site of the environment, with a token for it."""

    def use(box: Sandbox) -> None:
        config, token = tmp_path / "config.toml", tmp_path / "token"
        config.write_text(box.profile_toml("sandbox"))
        token.touch(mode=0o600)
        token.write_text(box.token())
        monkeypatch.setenv("CTADATA_CONFIG", str(config))
        monkeypatch.setenv("CTADATA_PROFILE", "sandbox")
        monkeypatch.setenv("BEARER_TOKEN_FILE", str(token))

    return use


@pytest.fixture
def refusals(_own_home: Path) -> Callable[[], list[str]]:
    """`refusals()`: what the guard has refused in this test and its child processes so far; it is forgiven."""

    def taken() -> list[str]:
        lines = _refused(_own_home)
        _own_home.unlink(missing_ok=True)
        return lines

    return taken
