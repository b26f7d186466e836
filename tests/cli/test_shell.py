"""Properties of every command: help, usage errors, streams, and the imports of a start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ctadata.cli.app import command_line

COMMANDS = ["start-agent", "list", "get", "put", "agent-status", "stop-agent", "get-token", "config", "sandbox"]


class TestHelp:
    @pytest.mark.parametrize("option", ["-h", "--help"])
    def test_help_shows_examples(self, cli, option):
        out = cli(option, check=0).out
        examples, _, options = out.partition("Options:")
        assert "cta-data-direct put results.h5 papers/" in examples
        assert max(map(len, out.splitlines())) <= 80
        for command in COMMANDS:
            assert f"\n  {command} " in options

    @pytest.mark.parametrize("command", COMMANDS)
    def test_help_of_each_command_begins_with_examples(self, cli, command):
        out = cli(command, "--help", check=0).out
        examples, _, options = out.partition("\nOptions:")
        assert f"cta-data-direct {command}" in examples
        for option in ("-P, --profile", "-d, --dev", "-v, --verbose", "-q, --quiet", "--help"):
            assert option in options
        assert max(map(len, out.splitlines())) <= 80
        assert "..." not in cli("--help").out.partition("-h, --help")[2], "a summary is cut short"

    def test_help_names_arguments_without_types(self):
        everything = list(command_line().commands.items())
        for name, command in everything:
            command = getattr(command, "real", command)
            everything += getattr(command, "commands", {}).items()
            out = command.get_help(command.make_context(name, [], resilient_parsing=True))
            assert "<" not in out.partition("\nArguments:")[2].partition("\nOptions:")[0], out
            assert "--no-color" not in out, "said once, in the help of all commands"
        assert len(everything) > 40

    def test_help_of_put_has_the_notice(self, cli, tmp_path):
        assert "can be read by all CTAO members" in " ".join(cli("put", "--help").out.split())
        settings = tmp_path / "s.toml"
        settings.write_text('[profiles.mine]\ndoor = "https://d"\nnotice = "Beware of the leopard."\n')
        env = {"CTADATA_CONFIG": str(settings)}
        assert "Beware of the leopard." in cli("-P", "mine", "put", "--help", env=env).out
        assert "Beware" not in cli("put", "--help", env=env).out
        assert "can be read by all" in cli("put", "-h", env={"CTADATA_CONFIG": "/nowhere.toml"}).out

    def test_version(self, cli):
        from importlib.metadata import version

        assert cli("--version", check=0).out == f"cta-data-direct {version('ctadata')}\n"


class TestUsageErrors:
    @pytest.mark.parametrize(
        ("arguments", "line"),
        [
            ([], "a command is missing (see cta-data-direct --help)"),
            (["lits"], "no such command 'lits'; did you mean 'list'"),
            (["xyzzy"], "no such command 'xyzzy' (see cta-data-direct --help)"),
            (["get"], "get: an argument is missing, as in: "),
            (["exec"], "exec: an argument is missing, as in: exec -- COMMAND... (see cta-data-direct exec --help)"),
            (["put", "a"], "put: an argument is missing, as in: "),
            (["sync", "a", "b", "c"], "sync: too many arguments: c (see cta-data-direct sync --help)"),
            (
                ["sync", "--max-delete", "x", "a", ":b"],
                "sync: invalid value for '--max-delete': it must be a whole number (",
            ),
            (["agent-log", "-n", "0"], "agent-log: invalid value for '-n' / '--lines': it must be 1 or more ("),
            (["get-token", "--min-life", "x"], "get-token: invalid value for '--min-life': it must be a number ("),
            (["list", "--recursiv"], "list: no such option --recursiv; did you mean --recursive"),
            (["put", "--force", "a", "b"], "put: no such option --force; a file that differs is replaced anyway"),
            (["get", "-o", "x", "a"], "get: no such option -o; the last argument is the target (see"),
            (["sync", "--insecure", "a", ":b"], "sync: no such option --insecure; certificates are always verified"),
            (["put", "--purge", "a", "b"], "put: no such option: --purge (see cta-data-direct put --help)"),
            (["list", "--columns", "sise", "a"], "there is no column 'sise' (the columns are kind, size, time"),
            (["list", "-Z"], "list: no such option: -Z (see cta-data-direct list --help)"),
            (["get", "--stats", "1e9", "a"], "get: invalid value for '--stats': it must be 86400 or less (see"),
            (["config", "-P"], "config: option '-P' requires an argument (see cta-data-direct config --help)"),
            (["get", "a", "-j"], "get: option '-j' requires an argument (see cta-data-direct get --help)"),
            (["config", "-d", "-P", "cscs"], "two profiles are named, cscs-dev and cscs"),
            (["config", "-P", "cscsdev"], "there is no profile 'cscsdev'; did you mean cscs-dev? (known: "),
            (["get", "-j", "many", "a"], "command line: jobs: must be a whole number from 1 to 128, not 'many'"),
            (["get", "-j", "0", "a"], "command line: jobs: must be a whole number from 1 to 128, not '0'"),
            (["list", "/a/../b"], "'..' cannot be a name in a remote path"),
        ],
    )
    def test_usage_errors_are_one_line_and_exit_with_2(self, cli, arguments, line):
        ended = cli(*arguments)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.count("\n") == 1
        assert ended.err.startswith("cta-data-direct: ")
        assert line in ended.err

    def test_a_tilde_that_the_shell_expanded_is_explained(self, cli):
        home = os.path.expanduser("~")
        ended = cli("list", f"{home}/x", env={"CTADATA_DOOR": "http://127.0.0.1:1"})
        assert ended.code == 2
        assert "write '~/x' in quotes, or home:x" in ended.err

    def test_mistakes_in_the_settings_are_usage_errors(self, cli, tmp_path):
        settings = tmp_path / "s.toml"
        settings.write_text('[profiles.cscs]\ndor = "x"\n')
        ended = cli("list", env={"CTADATA_CONFIG": str(settings)})
        assert (ended.code, ended.out) == (2, "")
        expected = f"{settings}: [profiles.cscs]: unknown key 'dor'; did you mean door?"
        assert ended.err == f"cta-data-direct: {expected}\n"


SECRET = "https://ada:5ecret@host/x"


class TestPasswordsInAddresses:
    @pytest.mark.parametrize(
        "arguments",
        [
            "list ADDRESS",
            "list -r mine:ADDRESS",
            "put settings.toml ADDRESS",
            "put ADDRESS lst/x",
            "get lst/x ADDRESS",
            "get --files-from list",
            "sync ADDRESS out",
            "sync out ADDRESS",
            "copy ADDRESS :x",
            "mv lst/x ADDRESS",
            "rm -r --yes ADDRESS",
            "mkdir ADDRESS",
            "share ADDRESS",
            "doctor ADDRESS",
            "locality ADDRESS",
        ],
    )
    def test_a_url_with_a_password_is_refused_and_the_password_hidden(self, run, monkeypatch, tmp_path, arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("CTADATA_CONFIG", "settings.toml")
        monkeypatch.setenv("BEARER_TOKEN", "none")
        Path("settings.toml").write_text('default = "mine"\n[profiles.mine]\ndoor = "http://localhost:1"\n')
        Path("list").write_text(f"{SECRET}\n")
        ended = run("-v", "-v", *arguments.replace("ADDRESS", SECRET).split(), check=2)
        line, *_ = [line for line in ended.err.splitlines() if "https://***@host/x" in line]
        assert "an address may not hold a user or a password (log in with start-agent" in line
        assert "5ecret" not in ended.out + ended.err
        assert "ada" not in ended.out + ended.err.replace("ctadata", "")

    @pytest.mark.parametrize("key", ["DOOR", "ISSUER", "ROOT", "AUDIENCE", "CREDENTIALS_FILE", "TOKEN_ORIGINS"])
    def test_a_setting_with_a_password_is_refused(self, run, monkeypatch, key):
        monkeypatch.setenv(f"CTADATA_{key}", SECRET)
        ended = run("config", check=2)
        assert "user" in ended.err
        assert "5ecret" not in ended.out + ended.err

    def test_the_password_of_a_proxy_is_not_shown(self, run, monkeypatch):
        monkeypatch.setenv("HTTPS_PROXY", SECRET)
        for json in ((), ("--json",)):
            ended = run("config", *json)
            assert "https://***@host/x" in ended.out
            assert "5ecret" not in ended.out


class TestCommonOptions:
    @pytest.mark.parametrize(
        "arguments", [["-P", "cscs-dev", "config"], ["config", "-P", "cscs-dev"], ["-d", "config"], ["config", "--dev"]]
    )
    def test_common_options_stand_before_or_after_the_command(self, cli, arguments):
        assert "[profiles.cscs-dev]" in cli(*arguments, check=0).out

    @pytest.mark.parametrize("option", ["--no-color", "--no-input"])
    def test_hidden_common_options_work_after_the_command(self, cli, option):
        assert option in cli("--help").out
        assert cli(option, "config", check=0).out == cli("config", option, check=0).out

    def test_the_same_profile_twice_is_accepted(self, cli):
        assert "[profiles.cscs-dev]" in cli("-d", "config", "-P", "cscs-dev", check=0).out


class TestStreams:
    def test_a_closed_pipe_is_no_error(self, cli):
        process = cli.start("config", "--keys")
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == ""

    def test_a_full_disk_is_an_error(self, cli):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "ctadata", "config"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
            )
        assert done.returncode == 11
        assert done.stderr == "cta-data-direct: the output cannot be written: No space left on device\n"

    @pytest.mark.parametrize("arguments", ["config", "--help", "list --help", "--version"])
    def test_a_closed_stdout_is_an_error(self, cli, arguments):
        shell = f'exec "$0" -m ctadata {arguments} >&-'
        done = subprocess.run(["sh", "-c", shell, sys.executable], stderr=subprocess.PIPE, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (11, "cta-data-direct: local: standard output is closed\n")

    def test_without_stderr_the_exit_code_is_right(self, cli):
        shell = 'exec "$0" -m ctadata lits 2>&-'
        assert subprocess.run(["sh", "-c", shell, sys.executable], timeout=60).returncode == 2


@pytest.mark.parametrize("command", ["local", "mkdir"])
def test_commands_without_patterns_do_not_speak_of_them(cli, command):
    assert "pattern" not in cli(command, "--help", check=0).out


class TestImports:
    def modules(self, cli, *arguments):
        code = "import sys\nfrom ctadata.cli.main import run\nrun(sys.argv[1:])\nprint(*sys.modules, file=sys.stderr)"
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=True
        )
        return set(done.stderr.split())

    def test_help_imports_only_what_it_needs(self, cli):
        loaded = self.modules(cli, "--help")
        heavy = {"rich", "requests", "pycurl", "segno", "platformdirs", "tomllib", "logging", "click"}
        assert not loaded & heavy
        ours = {name for name in loaded if name.startswith("ctadata.")}
        allowed = (
            "ctadata.cli",
            "ctadata.errors",
            "ctadata.config.builtin",
            "ctadata.printable",
            "ctadata.progress.units",
        )
        parents = {"ctadata.config", "ctadata.progress"}
        assert {name for name in ours - parents if not name.startswith(allowed)} == set()

    def test_config_imports_no_network_library(self, cli):
        assert not self.modules(cli, "config") & {"rich", "requests", "pycurl", "segno", "click"}

    def test_an_import_prints_nothing_and_writes_no_file(self, cli, tmp_path):
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home"), "PYTHONPATH": os.environ["PYTHONPATH"]}
        (tmp_path / "home").mkdir(mode=0o500)
        cli.env = env
        ended = cli("--version")
        assert (ended.code, ended.err) == (0, "")
        assert list((tmp_path / "home").iterdir()) == []
