"""The table of commands agrees with the functions; a command imports only what it needs."""

import importlib
import subprocess
import sys

import pytest

from ctadata.cli.command_table import DIRECT_COMMANDS, GROUP_HELP, PLATFORM_COMMANDS

ENTRIES = {
    (name, entry.module, entry.function, entry.summary)
    for sections in (DIRECT_COMMANDS, PLATFORM_COMMANDS)
    for section in sections.values()
    for name, entry in section.items()
}
HEAVY = {"pydantic", "rich", "requests", "boto3", "botocore", "segno", "keyring", "webdav4", "click"}
NETWORK = {"pycurl", "platformdirs", "greenlet", "ctadata.session", "ctadata.http.client"}
PRINT_MODULES = (
    "import sys; from ctadata.cli.main import run; code = run(sys.argv[1:]); "
    "print(*sys.modules, file=sys.stderr); sys.exit(code)"
)


@pytest.mark.parametrize(("name", "module", "function", "summary"), sorted(ENTRIES))
def test_a_summary_is_the_first_line_of_the_docstring(name, module, function, summary):
    documented = getattr(importlib.import_module(f"ctadata.cli.commands.{module}"), function).__doc__
    assert summary == documented.partition("\n")[0], "copy the docstring's first line to cli/command_table.py"


def test_each_group_has_its_help():
    names = {name for name, *_ in ENTRIES}
    assert {name.partition(" ")[0] for name in names if " " in name} - names == set(GROUP_HELP)


@pytest.fixture
def modules_of(at_box):
    """`modules_of("list", "/")`: the names of the modules that the command has imported at its end."""

    def names(*arguments):
        command = [sys.executable, "-c", PRINT_MODULES, *arguments]
        env = at_box.environment({})
        done = subprocess.run(command, cwd=at_box.cwd, env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return set(done.stderr.splitlines()[-1].split())

    return names


def commands_in(modules):
    return {name.rpartition(".")[2] for name in modules if name.startswith("ctadata.cli.commands.")}


@pytest.mark.parametrize("arguments", [["--help"], ["cache", "--help"], ["--version"]], ids=" ".join)
def test_the_help_of_a_group_imports_no_command(modules_of, arguments):
    loaded = modules_of(*arguments)
    assert commands_in(loaded) == set()
    assert loaded & (HEAVY | NETWORK) == set()


@pytest.mark.parametrize("command", ["list", "get", "put"])
def test_the_help_of_a_command_imports_that_one_alone(modules_of, command):
    loaded = modules_of(command, "--help")
    assert commands_in(loaded) == {command}
    assert loaded & HEAVY == set()


def test_list_get_and_put_import_neither_heavy_modules_nor_other_commands(modules_of, at_box, box, place):
    box.files.put(f"/{place}/one", b"1")
    (at_box.cwd / "two").write_bytes(b"2")
    for command, *arguments in (["list", place], ["get", f"{place}/one", "three"], ["put", "two", f"/{place}/two"]):
        loaded = modules_of(command, *arguments)
        assert commands_in(loaded) == {command}
        assert loaded & HEAVY == set(), command


def test_a_number_is_still_checked(at_box):
    assert "lines" in at_box("agent-log", "-n", "many", check=2).err
    assert at_box("agent-log", "-n", "0", check=2).err


def test_a_command_name_is_completed_without_its_module(at_box):
    variables = {"_CTA_DATA_DIRECT_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "cta-data-direct sta"}
    watch = (
        "import sys; from ctadata.cli.main import run; import atexit; "
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr)); run([])"
    )
    command = [sys.executable, "-c", watch]
    env = at_box.environment(variables)
    done = subprocess.run(command, cwd=at_box.cwd, env=env, capture_output=True, text=True, timeout=60)
    assert '"stage":"' in done.stdout
    assert '"stat":"' in done.stdout
    assert commands_in(done.stderr.split()) == set()
