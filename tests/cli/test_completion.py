"""Completion: scripts for four shells, names of the storage; no messages, no login, no long wait."""

import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ctadata.cli import completion, main, output
from ctadata.cli.completion import rejoin_words
from ctadata.sandbox import faults

VARIABLE = "_CTA_DATA_DIRECT_COMPLETE"
SHELLS = ["bash", "zsh", "fish", "powershell"]
REAL = ("bash", "zsh", "fish")
INSTALLED = Path(__file__).parents[2] / "share"  # the wheel installs this folder into the prefix


@pytest.fixture
def complete(at_box, monkeypatch):
    """`complete("get lst/")`: the completions of the last word of a line, asked for as the shell does.

    It runs in this process, with a long time-out for a busy machine; further down real shells ask.
    """

    def ask(line, shell="zsh", env=None, patience=60.0):
        out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
        with monkeypatch.context() as patch:
            variables = {**at_box.env, VARIABLE: f"complete_{shell}", **shell_variables(line, shell), **(env or {})}
            for name, value in variables.items():
                patch.setenv(name, value)
            patch.chdir(at_box.cwd)
            patch.setattr(completion, "TIMEOUT", patience)
            patch.setattr(completion._Word, "prefix", "")
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            output.stdout_is_terminal.cache_clear()
            with pytest.raises(SystemExit):
                main.run([])
        output.stdout_is_terminal.cache_clear()
        out.flush()
        assert err.getvalue() == ""
        return offered(out.buffer.getvalue().decode(), shell)

    return ask


def shell_variables(line, shell):
    line = f"cta-data-direct {line}"
    if shell == "bash":
        words = re.findall("[:=]+|[^:= ]+| (?= |$)", line)  # as it is taken apart by COMP_WORDBREAKS
        return {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)}
    last = line.rpartition(" ")[2]
    return {
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_WORD_TO_COMPLETE": last,
    }


def offered(out, shell):
    if shell == "zsh":
        lines = out.partition("((")[2].rpartition("))")[0].splitlines()
        return [line.partition('":"')[0].strip('"') for line in lines]
    separator = {"fish": "\t", "powershell": ":::"}.get(shell, "\n")
    return [line.partition(separator)[0] for line in out.splitlines() if line]


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_a_script(cli, shell):
    env = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    out = cli("--show-completion", shell, env=env, check=0).out
    assert VARIABLE in out
    assert "cta-data-direct" in out


def test_bash_accepts_its_script(cli, tmp_path):
    env = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    script = cli("--show-completion", "bash", env=env).out
    subprocess.run(["bash", "-n"], input=script, text=True, check=True, timeout=60)
    done = subprocess.run(
        ["bash", "-c", f"{script}\ncomplete -p cta-data-direct"], capture_output=True, text=True, timeout=30
    )
    assert "-F _cta_data_direct_completion cta-data-direct" in done.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_commands_and_options(complete, shell):
    assert complete("star", shell) == ["start-agent"]
    assert "--profile" in complete("list --pro", shell)


def test_words_of_other_programs(complete):
    assert complete("up") == ["upload"]
    assert complete("log") == ["logout", "login"]
    assert complete("help cop") == ["copy"]
    assert complete("version cop") == complete("help version cop")


def test_the_keys_of_sort(complete, box, place):
    assert complete("list --sort ")[:3] == ["name", "size", "time"]
    assert "lst/" in complete("list --sort ")
    assert complete("ls -l --sort si") == ["size"]
    assert "size" not in complete("list --sort size ")


@pytest.mark.parametrize("shell", SHELLS)
def test_remote_paths(complete, box, place, shell):
    box.files.put(f"/{place}/one", b"")
    box.files.put(f"/{place}/other/deep", b"")
    assert complete(f"get {place}/o", shell) == [f"{place}/one", f"{place}/other/"]


@pytest.mark.parametrize("line", ["rm -r", "mv x"])
def test_paths_are_completed_after_options_and_other_paths(complete, box, place, line):
    box.files.put(f"/{place}/one", b"")
    assert complete(f"{line} {place}/o") == [f"{place}/one"]


def test_a_single_match_that_is_a_directory_shows_its_contents(complete, box, place):
    box.files.put(f"/{place}/run/a", b"")
    box.files.put(f"/{place}/run/b/c", b"")
    assert complete(f"list {place}/r") == [f"{place}/run/", f"{place}/run/a", f"{place}/run/b/"]


def test_paths_start_from_the_root_or_the_home(complete, box, place):
    box.files.put(f"/{place}/x", b"")
    name = place.rpartition("/")[2]
    assert "lst/" in complete("list ")
    assert complete("list /ls")[0] == "/lst/"
    assert complete(f"list ~/{name}/") == [f"~/{name}/x"]
    assert complete(f"list home:{name}/", "fish") == [f"home:{name}/x"]


def test_words_that_bash_splits_at_colons_are_joined(complete, box, place):
    name = place.rpartition("/")[2]
    for each in ("w1", "w2", "d=3:0/x"):
        box.files.put(f"/{place}/{each}", b"")
    assert complete(f"list home:{name}/w", "bash") == [f"{name}/w1", f"{name}/w2"]
    assert f"{name}/" in complete("list home:", "bash")
    assert complete(f"get home:x home:{name}/w1", "bash") == [f"{name}/w1"]
    assert complete(f"list {place}/d=3:", "bash") == ["0/", "0/x"]
    assert complete(f"list --include=q {place}/d", "bash") == [f"{place}/d=3:0/", f"{place}/d=3:0/x"]


def test_the_target_of_put_starts_from_home(complete, box, place):
    name = place.rpartition("/")[2]
    box.files.put(f"/{place}/x", b"")
    assert complete(f"put {name}/") == []
    assert complete(f"put local {name}/") == [f"{name}/x"]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_remote_sides_of_sync_are_completed(complete, box, place, shell):
    box.files.put(f"/{place}/run1/a", b"")
    assert complete(f"sync :{place}/ru", shell)[0].endswith(f"{place}/run1/")
    if shell != "bash":  # it does not tell `run1 :x` from `run1:x`
        assert complete(f"sync run1 :{place}/ru", shell)[0].endswith(f"{place}/run1/")
    box.files.put("/lst/users/ada/side-of-sync/a", b"")
    assert complete("sync run1 home:side-of", shell)[0].endswith("side-of-sync/")
    assert complete("sync run", shell) == []


def test_names_are_quoted_for_the_shell(complete, box, place):
    box.files.put(f"/{place}/with space $(id)", b"")
    box.files.put(f"/{place}/with\ncontrol", b"")
    assert complete(f"get {place}/w", "bash") == [rf"{place}/with\ space\ \$\(id\)"]


def test_profile_names_are_completed(complete):
    assert complete("-P cscs", "bash") == ["cscs", "cscs-dev"]
    assert complete("config --profile s", "bash") == ["sandbox"]
    assert complete("config --profile=s", "bash") == ["sandbox"]


def test_completion_uses_the_profile_on_the_line(complete, box, place):
    assert complete("-P cscs list ls") == []


@pytest.mark.parametrize("cursor", ["", "-5", "1e3", "9" * 5000, "7"])
def test_a_cursor_after_the_end_is_in_the_last_word(cursor):
    env = {"COMP_WORDS": "cta-data-direct\nstar", "COMP_CWORD": cursor}
    rejoin_words(env)
    assert env == {"COMP_WORDS": "cta-data-direct\nstar", "COMP_CWORD": "1"}


def test_a_cursor_that_is_no_number_is_in_the_last_word(complete):
    assert complete("", "bash", env={"COMP_WORDS": "cta-data-direct\nstar", "COMP_CWORD": "x"}) == ["start-agent"]


EVIL = [
    "plain",
    "$(touch pwned)",
    "a`touch pwned`",
    r"a\$(touch pwned)",
    r"a\`touch pwned`",
    "';touch pwned;'",
    '";touch pwned;"',
    '"$(touch pwned)',
    "a))'; touch pwned; : '((",
    "b${x:-$(touch pwned)}",
    "=(touch pwned)",
    "<(touch pwned) >pwned",
    "x & touch pwned |",
    "%F{red}!!~root*?[a]{b,c}#",
    "é x",
]
FISH = {False: ["--no-config"], True: []}  # without a configuration fish reads no vendor's files
UNQUOTED_BY_ZSH = re.compile(r"""["'\\]""")


@pytest.fixture
def run_in_shell(at_box, tmp_path):
    """`run_in_shell(shell, typed)`: the arguments that a command gets from a line typed at a real shell.

    installed: The shell finds the files of `share/` by itself, as after an installation.
    """
    tools, home, got = tmp_path / "tools", tmp_path / "shell", tmp_path / "got"
    tools.mkdir()
    home.mkdir()
    command = tools / "cta-data-direct"
    command.write_text(
        f"""#!/bin/sh
        [ -n "${VARIABLE}" ] && exec "{sys.executable}" -m ctadata "$@"
        for each; do printf '%s\\0' "$each"; done >"{got}"
        echo "g""ot it"
        """
    )
    command.chmod(0o755)
    terminals = {}

    def start(shell, installed):
        option = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
        script = "" if installed else at_box("--show-completion", shell, env=option).out
        start = {"zsh": "autoload -Uz compinit; compinit -u -D", "bash": "bind 'set enable-bracketed-paste off'"}
        if installed:
            start["zsh"] = f"fpath=({INSTALLED}/zsh/site-functions $fpath); {start['zsh']}"
            start["bash"] += "; source /usr/share/bash-completion/bash_completion"
        (home / ".zshrc").write_text(f"{start.get(shell, '')}\n{script}\n")
        options = {"zsh": ["-i"], "bash": ["--rcfile", f"{home}/.zshrc", "-i"], "fish": [*FISH[installed], "-C"]}
        more = [f"source {home}/.zshrc"] if shell == "fish" else []
        env = {"ZDOTDIR": str(home), "HOME": str(home), "PATH": f"{tools}:{os.environ['PATH']}"}
        env |= {"XDG_DATA_DIRS": str(INSTALLED)} if installed else {}
        return at_box.terminal(*options[shell], *more, env=env, columns=500, command=[shutil.which(shell)])

    def run(shell, typed, installed=False):
        terminal = terminals[shell] if shell in terminals else terminals.setdefault(shell, start(shell, installed))
        terminal.raw = ""
        terminal.send(f"cta-data-direct {typed}\r")
        terminal.expect("got it")
        return [os.fsdecode(each) for each in got.read_bytes().split(b"\0")[:-1]]

    return run


@pytest.mark.parametrize(
    "shell",
    [each if each == "bash" else pytest.param(each, marks=pytest.mark.full(each)) for each in REAL],
)
def test_no_shell_evaluates_a_listed_name(run_in_shell, at_box, box, place, shell, count):
    for number, name in enumerate(EVIL[: count(5, len(EVIL), full=len(EVIL))]):
        box.files.put(f"/{place}/{number}/{name}", b"")
        folder, tries = f"{place}/{number}/", 20
        offered = shell != "zsh" or not UNQUOTED_BY_ZSH.search(name)
        wanted = ["stat", folder + name if offered else folder]
        while (got := run_in_shell(shell, f"stat {folder}\t")) != wanted and got == ["stat", folder] and tries:
            tries -= 1  # a busy machine may offer nothing in time
        assert got == wanted
        assert not (at_box.cwd / "pwned").exists()


@pytest.mark.parametrize("shell", [pytest.param(each, marks=pytest.mark.full(each)) for each in REAL])
def test_an_installed_file_completes_at_the_first_tab(run_in_shell, shell):
    """zsh reads the file when the first Tab is pressed, and must already use it then."""
    assert run_in_shell(shell, "agent-st\t", installed=True) == ["agent-status"]


class TestSilence:
    def test_without_a_token(self, complete):
        assert complete("get lst/", env={"BEARER_TOKEN": ""}) == []

    def test_with_broken_settings(self, complete):
        env = {"CTADATA_CONFIG": "/nowhere.toml"}
        assert complete("get lst/", env=env) == []
        assert complete("-P c", "bash", env=env) == []

    def test_where_nobody_answers(self, complete, box, place):
        silence = box.faults.add("door", "PROPFIND", f"/{place}", faults.NoAnswer())
        try:
            assert complete(f"get {place}/", patience=0.5) == []
        finally:
            silence.remove()
        assert silence.hits

    def test_where_nothing_is(self, complete, place):
        assert complete(f"get {place}/nowhere/x") == []
