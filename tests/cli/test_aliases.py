"""The words of other programs: each does what the command does for which it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ctadata.cli.aliases import ALIASES
from ctadata.cli.help_topics import TOPICS

DOCUMENTED = Path(__file__).parents[2] / "docs/reference/exit-codes.md"


@pytest.mark.parametrize(("alias", "name"), ALIASES.items())
def test_an_alias_is_the_command(run, alias, name):
    assert run(alias, "--help").out == run(name, "--help").out
    assert run("help", alias).out == run(name, "--help").out


def test_the_help_shows_each_word_once(run):
    words = run("--help").out.partition("Words of other programs:")[2].split("\n")
    shown = [word for line in words for word in re.split(r", |  +", line.strip())]
    assert [shown.count(word) for word in (*ALIASES, "cp", "help", "version")] == [1] * (len(ALIASES) + 3)


def test_help_and_version(run):
    assert run("help").out == run("--help").out
    assert run("version").out == run("--version").out
    assert "'~/run1' in quotes" in run("help", "paths").out
    assert run("help", "help").out == run("help", "version").out == run("--help").out
    assert run("version", "extra", check=2).err.endswith("version: too many arguments: extra\n")
    assert "no such command 'nothing'" in run("help", "nothing", check=2).err


def test_the_topic_exit_codes_has_the_codes_of_the_reference():
    documented = re.findall(r"^\| (\d+) \|", DOCUMENTED.read_text(), re.MULTILINE)
    assert re.findall(r"^  (\d+) ", TOPICS["exit-codes"], re.MULTILINE) == documented


def test_cp_is_get_put_or_copy_as_the_paths_say(at_box, box, place):
    box.files.mkdir(f"/{place}")
    (at_box.cwd / "a").write_text("content")
    at_box("cp", "-j", "2", "a", f":{place}/b", check=0)
    assert box.files.read(f"/{place}/b") == b"content"
    at_box("cp", "a", "home:cp/", check=0)
    assert box.files.read("/lst/users/ada/cp/a") == b"content"
    at_box("cp", f":{place}/b", "c", "--jobs", "2", check=0)
    assert (at_box.cwd / "c").read_text() == "content"
    assert "it is a directory" in at_box("cp", f":{place}", "home:x", check=2).err  # the words of `copy`


def test_the_help_of_cp_has_the_examples_of_the_commands_that_it_stands_for(run):
    shown = run("help", "cp").out
    for line in ("get -r lst/some/run", "put results.h5 papers/", "copy "):
        assert f"  cta-data-direct {line}" in shown
    assert run("cp", "--help").out == shown


@pytest.mark.parametrize("paths", [["a", "b"], ["home:a"], []])
def test_cp_guesses_no_side(at_box, paths):
    ended = at_box("cp", *paths, check=2)
    assert "no argument says which side is on the storage" in ended.err
    assert "get PATH LOCAL" in ended.err


def test_h_is_for_sizes_and_alone_for_help(at_box, box, place):
    box.files.put(f"/{place}/a", b"x" * 2048)
    assert " 2.0 KiB " in at_box("ls", "-lh", place, check=0).out
    assert " 2048 " in at_box("list", "-l", place, check=0).out
    assert "2.0 KiB  " in at_box("du", "-h", place, check=0).out
    assert "[   2.0 KiB]  a" in at_box("tree", "-h", place, check=0).out
    for command in ("list", "du", "tree", "get"):
        assert at_box(command, "-h", check=0).out == at_box(command, "--help", check=0).out
