"""The lease: one machine refreshes, if several share a home and their locks do not reach each other."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
import threading
import time
from threading import Event

import pytest

from ctadata.agent import control, lease
from ctadata.agent.instance import claim, is_claimed
from ctadata.agent.lease import LIFE, acquire_lease, extend_lease, foreign_agent, hold_lease, read_lease, release_lease
from ctadata.agent.login import obtain_token
from ctadata.errors import LocalError, Stopped, TemporaryError
from ctadata.sandbox import Sandbox
from ctadata.sandbox.issuer import CONNECT
from ctadata.tokens.locks import hold_lock
from ctadata.tokens.login_store import load_token
from ctadata.tokens.profile_files import ProfileFiles

TOKEN = f"{CONNECT}/token"


@pytest.fixture
def box():
    with Sandbox(approve=True, interval=0) as box:
        yield box


@pytest.fixture
def on(monkeypatch):
    """`with on("a"):` lets this process be on that machine."""

    @contextlib.contextmanager
    def pretend(host, boot="boot"):
        with monkeypatch.context() as patch:
            patch.setattr(lease, "host_name", lambda: host)
            patch.setattr(lease, "read_boot_id", lambda: boot)
            yield

    return pretend


def now():
    return time.time()


class TestWhose:
    @pytest.fixture
    def files(self, tmp_path):
        files = ProfileFiles.of("site", tmp_path)
        files.prepare()
        return files

    def test_the_first_machine_gets_the_lease(self, files, on):
        with on("a"):
            assert acquire_lease(files, now()) is None
            found = read_lease(files)
        assert (found.host, found.boot, found.pid, found.lasting) == ("a", "boot", os.getpid(), True)
        assert found.process_started == lease.read_process_start(os.getpid())
        assert found.until == pytest.approx(now() + LIFE, abs=5)
        assert files.lease.stat().st_mode & 0o777 == 0o600

    def test_another_machine_waits_for_the_release(self, files, on):
        with on("a"):
            acquire_lease(files, now())
        with on("b"):
            assert acquire_lease(files, now()).host == "a"
            assert foreign_agent(files, now()).host == "a"
            assert not extend_lease(files, now())
            release_lease(files)  # it is not ours
            assert foreign_agent(files, now())
        with on("a"):
            assert foreign_agent(files, now()) is None
            release_lease(files)
        with on("b"):
            assert acquire_lease(files, now()) is None

    def test_it_expires_and_its_first_holder_notices(self, files, on):
        with on("a"):
            acquire_lease(files, now())
        later = now() + LIFE + 1
        with on("b"):
            assert acquire_lease(files, later) is None
        with on("a"):
            assert not extend_lease(files, later)
            assert foreign_agent(files, later).host == "b"

    def test_an_agent_that_extends_it_keeps_it(self, files, on):
        start = now()
        with on("a"):
            acquire_lease(files, start)
            for seconds in range(30, 241, 30):
                assert extend_lease(files, start + seconds)
            assert read_lease(files).until > start + 240
        with on("b"):
            assert acquire_lease(files, start + 200).host == "a"

    def test_a_clock_that_is_days_ahead_does_not_keep_it_for_days(self, files, on):
        with on("a"):
            acquire_lease(files, now() + 3 * 86400)
        with on("b"):
            assert acquire_lease(files, now() + 1).host == "a"
            assert acquire_lease(files, now() + 2 * LIFE + 1) is None

    def test_a_lease_from_before_a_crash_of_this_machine(self, files, on, monkeypatch):
        with on("a", "first"):
            acquire_lease(files, now() - 10)
        with on("a", "second"):
            assert acquire_lease(files, now()).host == "a"  # or a container of that name on another machine
            monkeypatch.setattr(lease, "read_boot_time", lambda: time.time() - 5)
            assert acquire_lease(files, now()) is None

    def test_many_machines_at_once(self, files, on, monkeypatch):
        """Each thread stands for a machine; no two of them share a lock."""
        mine, got, barrier = threading.local(), [], threading.Barrier(8)
        monkeypatch.setattr(lease, "host_name", lambda: getattr(mine, "host", "main"))

        def machine(number):
            mine.host = f"m{number}"
            barrier.wait(60)
            if acquire_lease(files, now()) is None:
                got.append(mine.host)

        threads = [threading.Thread(daemon=True, target=machine, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert got == [read_lease(files).host]
        assert not list(files.folder.glob(".new-*"))

    def test_an_unreadable_lease(self, files, on):
        files.lease.touch(0o600)
        files.lease.write_text('{"host": 1}')
        with on("a"):
            assert acquire_lease(files, now()) is None

    def test_a_lease_that_others_can_write_is_refused(self, files, on):
        files.lease.write_text("{}")
        files.lease.chmod(0o666)
        with on("a"), pytest.raises(LocalError, match="others can write"):
            acquire_lease(files, now())

    def test_a_file_system_without_links(self, files, on, monkeypatch):
        def refuse(source, target, **_):
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
        with on("a"):
            assert acquire_lease(files, now()) is None
        with on("b"):
            assert acquire_lease(files, now()).host == "a"


class TestForOneRefresh:
    @pytest.fixture
    def files(self, tmp_path):
        files = ProfileFiles.of("site", tmp_path)
        files.prepare()
        return files

    def test_it_is_released_even_after_an_error(self, files, on):
        with on("a"), pytest.raises(ZeroDivisionError), hold_lease(files):
            assert not read_lease(files).lasting
            raise ZeroDivisionError
        assert read_lease(files) is None

    def test_the_lease_of_this_machines_agent_stays(self, files, on):
        with on("a"):
            acquire_lease(files, now())
            with hold_lease(files):
                pass
            assert read_lease(files).lasting

    def test_the_agents_lease_outlives_a_slow_refresh(self, files, on):
        with on("a"):
            acquire_lease(files, now() - LIFE + 5)
            before = read_lease(files)
            with hold_lease(files):
                assert read_lease(files).until > now() + LIFE - 30
                assert read_lease(files).pid == before.pid

    def test_no_refresh_here_while_an_agent_runs_on_another_machine(self, files, on):
        with on("a"):
            acquire_lease(files, now())
        with on("b"), pytest.raises(TemporaryError, match="renewed on a"), hold_lease(files):
            pass

    def test_a_command_on_another_machine_is_waited_for(self, files, on, monkeypatch):
        with on("a"):
            lease._wait_for_lease(files, Event(), now)
        looks = []

        class Stop(Event):
            def wait(self, timeout=None):
                looks.append(timeout)
                if len(looks) == 3:
                    files.lease.unlink()
                return False

        with on("b"), hold_lease(files, stop=Stop()):
            assert read_lease(files).host == "b"
        assert len(looks) == 3

    def test_the_wait_can_be_stopped(self, files, on):
        with on("a"):
            lease._wait_for_lease(files, Event(), now)
        stop = Event()
        stop.set()
        with on("b"), pytest.raises(Stopped), hold_lease(files, stop=stop):
            pass


ASK = """
import sys
from pathlib import Path
from ctadata.agent import lease
from ctadata.agent.login import obtain_token
from ctadata.config.profile import Profile
from ctadata.tokens.profile_files import ProfileFiles
folder, door, issuer, client_id, ca, host = sys.argv[1:]
lease.host_name = lambda: host
ProfileFiles.login_lock = property(lambda self: self.folder / f"login.lock.{host}")  # does not reach the other machine
known = sys.stdin.read()
profile = Profile(name="sandbox", door=door, issuer=issuer, client_id=client_id, ca=Path(ca))
print(obtain_token(profile, ProfileFiles(Path(folder)), is_good=lambda token: token.reveal() != known).reveal())
"""


def test_eight_processes_of_two_machines_make_one_refresh(box, profile, files, shown):
    token = obtain_token(profile, files, is_good=lambda token: False, show=shown.append)
    logins = sum(seen.target == TOKEN for seen in box.seen)
    argv = [sys.executable, "-c", ASK, files.folder, profile.door, profile.issuer, profile.client_id, profile.ca]
    locks = [files.folder / f"login.lock.{host}" for host in "ab"]
    askers = []
    with hold_lock(locks[0]), hold_lock(locks[1]):  # all have started before the first may ask
        for number in range(8):
            askers.append(
                subprocess.Popen([*argv, "ab"[number % 2]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            askers[-1].stdin.write(token.reveal())
            askers[-1].stdin.close()
    answers = set()
    for asker in askers:
        with asker:
            answers.add(asker.stdout.read().strip())
    assert answers == {load_token(files, profile).reveal()}
    assert answers != {token.reveal()}
    assert sum(seen.target == TOKEN for seen in box.seen) == logins + 1


class TestAgents:
    def test_an_agent_on_another_machine_is_left_alone(self, profile, files, on, box, shown):
        """Every process here gets that agent's token; none refreshes, and none starts a second agent."""
        token = control.get_token(profile, show=shown.append)
        with on("elsewhere"), claim(files):
            pass
        with on("elsewhere"):
            acquire_lease(files, now())
        asked = len(box.seen)
        assert is_claimed(files)
        assert control.start(profile, show=None).running
        assert control.get_token(profile) == token
        with pytest.raises(TemporaryError, match="renewed on elsewhere"):
            control.get_token(profile, now=lambda: token.expires_at + 1)
        assert claim(files) is None
        with pytest.raises(LocalError, match="runs on elsewhere"):
            control.stop(profile)
        assert len(box.seen) == asked
        files.lease.unlink()  # it has expired

    def test_a_running_agent_holds_the_lease_and_releases_it(self, profile, files, shown):
        started = control.start(profile, show=shown.append)
        found = read_lease(files)
        assert (found.pid, found.host, found.lasting) == (started.pid, started.host, True)
        assert control.stop(profile)
        assert read_lease(files) is None

    def test_a_killed_agent_is_replaced_at_once_on_its_own_machine(self, profile, files, shown, until):
        started = control.start(profile, show=shown.append)
        os.kill(started.pid, 9)
        until(lambda: not is_claimed(files))
        assert read_lease(files).pid == started.pid
        assert control.start(profile, show=None).pid == read_lease(files).pid != started.pid
