"""Uploads on their way: hidden names that tell whether their run is dead."""

import os
import subprocess
import sys

import pytest

from ctadata.entries import Entry, Kind
from ctadata.paths import TEMPORARY_PREFIX, RemotePath
from ctadata.transfer import temp_names

NOW = 1_800_000_000.0


def entry(name: str, age: float = 0.0) -> Entry:
    return Entry(RemotePath((name,)), Kind.FILE, 3, NOW - age)


def test_own_temporaries_are_hidden_unique_and_alive() -> None:
    one, two = temp_names.new_name(), temp_names.new_name()
    assert one != two
    assert RemotePath((one,)).is_temporary
    assert not temp_names.is_dead(entry(one, age=1e9), NOW)


def test_temporaries_of_an_ended_process_are_dead() -> None:
    code = "from ctadata.transfer import temp_names; print(temp_names.new_name())"
    name = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    assert temp_names.is_dead(entry(name), NOW)


def test_a_reused_process_number_is_another_process() -> None:
    host, boot, _, _, random = temp_names.new_name().removeprefix(TEMPORARY_PREFIX).split("-")
    assert temp_names.is_dead(entry(f"{TEMPORARY_PREFIX}{host}-{boot}-{os.getpid()}-1-{random}"), NOW)


def test_temporaries_of_an_earlier_boot_are_dead() -> None:
    host, _, pid, start, random = temp_names.new_name().removeprefix(TEMPORARY_PREFIX).split("-")
    assert temp_names.is_dead(entry(f"{TEMPORARY_PREFIX}{host}-00000000-{pid}-{start}-{random}"), NOW)


@pytest.mark.parametrize(("age", "dead"), [(60.0, False), (86000.0, False), (90000.0, True)])
def test_temporaries_of_another_host_are_dead_after_a_day(age: float, dead: bool) -> None:
    _, boot, pid, start, random = temp_names.new_name().removeprefix(TEMPORARY_PREFIX).split("-")
    assert temp_names.is_dead(entry(f"{TEMPORARY_PREFIX}00000000-{boot}-{pid}-{start}-{random}", age), NOW) is dead


@pytest.mark.parametrize(
    "name", ["file", TEMPORARY_PREFIX, f"{TEMPORARY_PREFIX}x", f"{TEMPORARY_PREFIX}a-b-c", ".hidden-a-b-c-d"]
)
def test_names_of_other_programs_are_left_alone(name: str) -> None:
    assert not temp_names.is_dead(entry(name, age=1e9), NOW)
