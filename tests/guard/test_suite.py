"""The suite's own promises: what is left out is said, a seed repeats, nothing of the caller's environment comes in."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
INI = "[pytest]\nfilterwarnings = error\nmarkers =\n    full: .\n    soak: .\n"
PYTEST = "import faulthandler as f, sys; f.dump_traceback_later(240, exit=True); import pytest; sys.exit(pytest.main())"
"""pytest that shows its threads and ends before the run that waits for it does (`bin/test`)."""


@pytest.fixture
def suite(tmp_path):
    """`suite(source, *options)`: the closing lines of a run of the tests in `source` under our conftest."""
    (tmp_path / "pytest.ini").write_text(INI)

    def run(source, *options, **environment):
        (tmp_path / "test_it.py").write_text(source)
        path = os.pathsep.join([str(TESTS), str(TESTS / "guard")])
        ran = subprocess.run(
            [sys.executable, "-c", PYTEST, "-p", "conftest", "-p", "no:cacheprovider", *options, "test_it.py"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": path, "PYTEST_ADDOPTS": ""} | environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        return ran.stdout + ran.stderr

    return run


PARTS = """
import pytest
@pytest.mark.full("davix")
def test_marked(): pass
def test_by_fixture(curl): pass
@pytest.mark.full
def test_just_so(): pass
def test_plain(): pass
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_what_is_left_out_is_said_before_the_closing_line(suite, workers):
    *_, said, closing = [line for line in suite(PARTS, "-n", workers).splitlines() if line]
    assert said.startswith("left out: 3 tests of real servers and clients (curl 1, davix 1, others 1)")
    assert "1 passed" in closing


def test_with_full_a_missing_part_is_a_failure(suite):
    said = suite(PARTS, "--full", PATH="/nowhere")
    assert "left out" not in said
    assert "curl is missing" in said
    assert "3 passed, 1 error" in said.splitlines()[-1]


RANDOM = """
from hypothesis import given, strategies as st
numbers = []
@given(st.integers())
def test_given(number): numbers.append(number)
def test_show(rng): print("drawn", rng.random(), sum(numbers)); raise AssertionError
"""


def test_a_seed_repeats_a_run(suite):
    first = suite(RANDOM)
    seed = int(re.search(r"repeat with --seed (\d+)\n=", first[first.index("AssertionError") :]).group(1))
    drawn = re.search("drawn .*", first).group()
    assert drawn in suite(RANDOM, "--seed", str(seed), "-n", "1")
    assert drawn not in suite(RANDOM, "--seed", str(seed + 1))


FOREIGN = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "https_proxy", "CTADATA_PROFILE", "BEARER_TOKEN_FILE", "OIDC_SOCK"]
FOREIGN += ["PYTHONDONTWRITEBYTECODE"]
WORLD = f"""
import contextlib, os, pathlib, socket, tempfile
def test_environment():
    assert not os.environ.keys() & set({FOREIGN})
    for name in ["HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"]:
        assert os.environ[name].startswith(tempfile.gettempdir()), name
    assert os.stat(os.environ["XDG_RUNTIME_DIR"]).st_mode & 0o777 == 0o700
def test_a_module_is_compiled_once():
    assert [file for file in pathlib.Path("__pycache__").iterdir() if file.name.startswith("test_it.")]
def test_count(count):
    assert count(3, 50) == 50
def test_swallows():
    with contextlib.suppress(OSError): socket.create_connection(("192.0.2.1", 80), 5)
"""


def test_the_world_of_a_test(suite):
    """Nothing of the caller's environment, long counts with --soak, and a refusal that code swallowed is found out."""
    said = suite(WORLD, "--soak", HOME="/home", **dict.fromkeys(FOREIGN, "something"))
    assert "4 passed, 1 error" in said.splitlines()[-1]
    assert "ERROR test_it.py::test_swallows" in said
    assert "this test wanted to leave this machine" in said


def test_short_counts(count, pytestconfig):
    assert count(3, 50) == (50 if pytestconfig.option.soak else 3)


LEFT = """
import threading
import conftest
conftest.LINGERING = 0.5
def test_it(): threading.Thread(target=threading.Event().wait, name="left").start()
"""


def test_a_run_ends_though_a_test_has_left_a_thread(suite):
    said = suite(LEFT, PYTHONUNBUFFERED="")
    assert "1 passed" in said
    assert "Timeout" in said[said.index("1 passed") :]
    assert "wait" in said[said.index("Timeout") :]


INTERRUPTED = """
import os, signal, subprocess, sys
import pytest
def test_here():
    with pytest.raises(KeyboardInterrupt): os.kill(os.getpid(), signal.SIGINT)
def test_there():
    code = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
    assert subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL).returncode == -signal.SIGINT
"""


@pytest.mark.parametrize("workers", ["0", "1"])
def test_ctrl_c_is_heard_where_a_shell_has_put_the_run_into_the_background(suite, workers):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert "2 passed" in suite(INTERRUPTED, "-n", workers)
    finally:
        signal.signal(signal.SIGINT, before)
