"""`config init`: it asks or takes options, tries the profile, and writes it into the settings file whole."""

from __future__ import annotations

import os
import shlex
import signal
import tomllib

import pytest


@pytest.fixture
def settings(cli):
    """The path of the settings file, which does not exist yet."""
    path = cli.cwd.parent / "config" / "ctadata.toml"
    cli.env["CTADATA_CONFIG"] = str(path)
    return path


@pytest.fixture
def named(box):
    """The options that name the sandbox."""
    profile = box.profile()
    return [
        "--door", box.door, "--issuer", str(profile["issuer"]), "--client-id", str(profile["client_id"]),
        "--home", "lst/users/{user}", "--set", f"ca={profile['ca']}",
    ]  # fmt: skip


def profiles(path):
    return tomllib.loads(path.read_text())["profiles"]


def init(cli, *arguments, **more):
    return cli("config", "init", "--no-input", *arguments, **more)


class TestWithOptions:
    def test_a_profile_is_tried_and_written(self, cli, box, settings, named):
        ended = init(cli, "mine", *named, check=0)
        assert [line.split()[:2] for line in ended.out.splitlines()] == [["ok", "tls"], ["ok", "issuer"]]
        assert ended.err.splitlines()[-1] == (
            f"cta-data-direct: profile mine written to {settings}; next: cta-data-direct -P mine start-agent"
        )
        wanted = {key: value for key, value in box.profile().items() if key != "frontend"}
        assert profiles(settings) == {"mine": wanted}
        assert settings.stat().st_mode & 0o777 == 0o600
        assert os.listdir(settings.parent) == [settings.name]

    def test_the_written_profile_works(self, at_box, box, settings, named):
        at_box.env.pop("BEARER_TOKEN")
        init(at_box, "mine", *named, check=0)
        (at_box.cwd / "token").write_text(box.token())
        (at_box.cwd / "token").chmod(0o600)
        assert at_box("-P", "mine", "get-home", "--token-file", "token", check=0).out == "lst/users/ada/\n"

    def test_the_rest_of_the_file_stays(self, cli, settings, named):
        settings.parent.mkdir()
        before = '# my sites\ndefault = "x"\n\n[profiles.x]   # the first\r\ndoor = "https://x.example.org:1"'
        settings.write_bytes(before.encode())
        init(cli, "mine", *named, check=0)
        assert settings.read_bytes().startswith(before.encode())
        assert set(profiles(settings)) == {"x", "mine"}

    def test_a_symlink_stays_and_its_file_is_written(self, cli, settings, named):
        settings.parent.mkdir()
        (cli.cwd / "real.toml").write_text("# here\n")
        settings.symlink_to(cli.cwd / "real.toml")
        init(cli, "mine", *named, check=0)
        assert settings.is_symlink()
        assert set(profiles(cli.cwd / "real.toml")) == {"mine"}

    def test_a_dry_run_prints_the_profile_and_contacts_nobody(self, cli, box, settings, named):
        box.forget_seen()
        ended = init(cli, "mine", "-n", *named, check=0)
        assert tomllib.loads(ended.out)["profiles"]["mine"]["door"] == box.door
        assert not settings.exists()
        assert not list(box.seen)

    def test_an_s3_store_needs_its_endpoint_only(self, cli, settings):
        ended = init(cli, "store", "--endpoint", "https://S3.example.org", "--untested", check=0)
        assert profiles(settings) == {"store": {"kind": "s3", "endpoint": "https://s3.example.org"}}
        assert ended.err.endswith("next: cta-data-direct -P store credentials import\n")

    def test_the_profile_may_be_named_by_the_common_option(self, cli, settings, named):
        init(cli, "-P", "mine", *named, check=0)
        assert set(profiles(settings)) == {"mine"}

    def test_variables_of_the_environment_do_not_get_into_the_profile(self, cli, settings):
        init(cli, "mine", "--door", "https://a.example.org:1", "--untested", env={"CTADATA_JOBS": "3"}, check=0)
        assert profiles(settings) == {"mine": {"kind": "dcache", "door": "https://a.example.org:1"}}


class TestExistingProfiles:
    @pytest.fixture(autouse=True)
    def existing(self, settings):
        settings.parent.mkdir()
        settings.write_text('[profiles.mine]\n# slow\njobs = 2\ndoor = "https://a.example.org:1"\n')
        return settings.read_text()

    def test_it_is_kept_without_replace(self, cli, settings, named, existing):
        ended = init(cli, "mine", *named, check=8)
        assert "the profile mine exists (--replace changes it)" in ended.err
        assert settings.read_text() == existing

    def test_a_built_in_profile_is_kept_without_replace(self, cli, settings, named, existing):
        ended = init(cli, "cscs", *named, "--untested", check=8)
        assert "the profile cscs is built in (--replace changes it; its other keys stay)" in ended.err
        assert settings.read_text() == existing
        init(cli, "cscs", "--replace", "--home", "a/{user}", "--untested", check=0)
        assert profiles(settings)["cscs"]["home"] == ["a/{user}"]

    def test_replace_changes_what_is_named_and_keeps_the_rest(self, cli, settings, existing):
        init(cli, "mine", "--replace", "--home", "a/{user}", "--untested", check=0)
        assert settings.read_text() == f'{existing}kind = "dcache"\nhome = ["a/{{user}}"]\n'

    def test_another_kind_loses_the_keys_of_the_old_one(self, cli, settings):
        init(cli, "mine", "--replace", "--endpoint", "https://s3.example.org", "--untested", check=0)
        assert profiles(settings) == {"mine": {"jobs": 2, "kind": "s3", "endpoint": "https://s3.example.org"}}


class TestRefused:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ([], "config init: missing: PROFILE, --door (a terminal asks for them)"),
            (["mine", "--kind", "s3"], "config init: missing: --endpoint (a terminal asks for them)"),
            (["mine", "--door", "https://a:1", "--issuer", "https://b/"], "config init: missing: --client-id"),
            (["mine", "--door", "a:1"], "--door: must be an https address such as https://host:2880, not 'a:1'"),
            (["mine", "--door", "https://ada:hunter2@a:1"], "--door: must be an address without user"),
            (["mine", "--kind", "ftp"], "--kind: must be dcache or webdav or s3, not 'ftp'"),
            (["mine", "--set", "jbos=3"], "--set jbos=3: there is no key 'jbos'; did you mean jobs?"),
            (["mine", "--set", "jobs=999"], "--set jobs: must be a whole number from 1 to 128, not '999'"),
            (["mine", "--kind", "s3", "--door", "https://a:1"], "the key door is for dcache and webdav, and this"),
            (["my box", "--door", "https://a:1"], "profile 'my box': a name holds letters"),
            (["home", "--door", "https://a:1"], "profile 'home': home: in a path is not a profile"),
            (["mine", "-P", "other"], "two profiles are named, other and mine"),
        ],
    )
    def test_bad_options_are_one_line_and_write_nothing(self, cli, settings, arguments, words):
        ended = init(cli, *arguments, check=2)
        assert ended.err.startswith(f"cta-data-direct: {words}")
        assert ended.err.count("\n") == 1
        assert "hunter2" not in ended.err
        assert not settings.exists()

    def test_without_a_terminal_nothing_waits(self, cli, settings):
        assert "missing: PROFILE, --door" in cli("config", "init", stdin=b"mine\n", check=2).err

    def test_a_door_that_does_not_answer(self, cli, settings):
        ended = init(cli, "mine", "--door", "https://localhost:1", check=1)
        assert ended.out.startswith("fail  door")
        again = ended.err.splitlines()[-1].partition("to try again: cta-data-direct ")[2]
        assert "--untested" in ended.err
        assert not settings.exists()
        cli(*shlex.split(again), "--untested", check=0)
        assert profiles(settings)["mine"]["door"] == "https://localhost:1"

    def test_an_issuer_that_is_another_one(self, cli, box, settings, named):
        named[named.index("--issuer") + 1] = f"{box.door}/realms/none"
        ended = init(cli, "mine", *named, check=1)
        assert "fail  issuer" in ended.out
        assert not settings.exists()

    @pytest.mark.parametrize("mode", [0o666, 0o660])
    def test_a_file_that_others_may_change(self, cli, settings, named, mode):
        settings.parent.mkdir()
        settings.write_text("# theirs\n")
        settings.chmod(mode)
        assert "may change" in init(cli, "mine", *named, check=2).err
        assert settings.read_text() == "# theirs\n"

    def test_a_directory_that_is_open_to_all(self, cli, settings, named):
        settings.parent.mkdir()
        settings.parent.chmod(0o777)
        assert "may replace these settings" in init(cli, "mine", *named, check=2).err
        assert not settings.exists()

    def test_a_directory_that_cannot_be_made(self, cli, settings, named):
        settings.parent.write_text("a file")
        assert init(cli, "mine", *named).code in (2, 11)

    def test_a_path_that_is_no_file(self, cli, settings, named):
        settings.mkdir(parents=True)
        assert "no regular file" in init(cli, "mine", *named, check=2).err

    def test_options_of_config_alone(self, cli):
        assert "config init has no option --json" in cli("config", "--json", "init", check=2).err


class TestAtATerminal:
    def test_each_answer_is_checked_when_it_is_given(self, cli, box, settings):
        profile = box.profile()
        terminal = cli.terminal("config", "init")
        for question, answer in [
            (r"name of the profile \[mine\]: $", "my box"),
            (r"letters, digits[^$]*name of the profile \[mine\]: $", ""),
            (r"kind of the server[^\n]*\[dcache\]: $", "ftp"),
            (r"not 'ftp'\s*kind of the server[^\n]*: $", ""),
            (r"door, [^\n]*2880: $", "a:1"),
            (r"not 'a:1'\s*door, [^\n]*: $", box.door),
            (r"issuer [^\n]*\[none\]: $", profile["issuer"]),
            (r"client id [^\n]*: $", profile["client_id"]),
            (r"home [^\n]*\[none\]: $", "lst/users/{user}"),
            (r"keeps the token fresh[^\n]*\[agent\]: $", ""),
            (r"fail  door [^$]*not trusted[^$]*again; Enter: end: $", f"ca={profile['ca']}"),
        ]:
            terminal.expect(question)
            assert not settings.exists()
            terminal.send(f"{answer}\n")
        terminal.expect("profile mine written to")
        assert terminal.end() == 0
        assert profiles(settings) == {"mine": {key: profile[key] for key in profile if key != "frontend"}}

    def test_an_untested_profile_is_written_after_a_yes(self, cli, settings):
        terminal = cli.terminal("config", "init", "mine", "--kind", "webdav", "--issuer", "", "--home", "")
        terminal.expect("door, .*: $")
        terminal.send("https://localhost:1\n")
        terminal.expect("Enter: end: $")
        terminal.send("y\n")
        terminal.expect("written to")
        assert terminal.end() == 0
        assert profiles(settings) == {"mine": {"kind": "webdav", "door": "https://localhost:1"}}

    @pytest.mark.parametrize(("key", "code"), [("\x03", 130), ("\x04", 1)], ids=["Ctrl-C", "Ctrl-D"])
    def test_an_interrupt_writes_nothing(self, cli, settings, key, code):
        terminal = cli.terminal("config", "init", "mine", "--kind", "webdav")
        terminal.expect("door, .*: $")
        terminal.send(key)
        assert terminal.end() == code
        assert not settings.parent.exists()

    def test_a_profile_that_exists_is_a_question(self, cli, settings):
        settings.parent.mkdir()
        settings.write_text(before := '[profiles.mine]\ndoor = "https://a.example.org:1"\n')
        terminal = cli.terminal("config", "init", "mine")
        terminal.expect(r"exists in [^$]*change it\? \[y/N\] $")
        terminal.send("\n")
        assert terminal.end() == 1
        assert settings.read_text() == before


def test_ctrl_c_while_the_server_is_tried_writes_nothing(cli, settings):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        door = f"https://127.0.0.1:{server.getsockname()[1]}"
        started = cli.start("config", "init", "mine", "--door", door)
        with server.accept()[0] as wire:
            assert wire.recv(1)
            started.send_signal(signal.SIGINT)
            started.communicate(timeout=60)
    assert started.returncode == 130
    assert not settings.exists()
