"""One profile from four layers; each mistake is one clear line."""

import logging
from pathlib import Path

import pytest

from ctadata.config.builtin import BUILT_IN
from ctadata.config.keys import KEYS
from ctadata.config.profile import Profile
from ctadata.config.resolve import resolve_profile
from ctadata.errors import ConfigError


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a settings file and returns its path."""

    def put(text):
        path = tmp_path / "config.toml"
        path.write_text(text)
        path.chmod(0o600)
        return path

    return put


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))


def refused(**arguments):
    with pytest.raises(ConfigError) as caught:
        resolve_profile(**{"env": {}, **arguments})
    line = str(caught.value)
    assert "\n" not in line
    assert caught.value.exit_code == 2
    return line


class TestBuiltIn:
    def test_the_default_profile_is_cscs(self):
        resolved = resolve_profile(env={})
        assert resolved.profile == Profile(
            name="cscs",
            door="https://dcache.cta.cscs.ch:2880",
            kind="dcache",
            issuer="https://keycloak.cta.cscs.ch/realms/master/",
            client_id="dcache-cta-cscs-ch-users",
            home=("lst/users/{user}", "cta/users/{user}"),
            user_claim=("preferred_username", "email"),
            user_rule="cta",
            notice=resolved.profile.notice,
        )
        assert "read by all CTAO members" in resolved.profile.notice
        assert resolved.chosen_by == "built in"
        assert not resolved.explicit

    def test_the_development_instance(self):
        profile = resolve_profile("cscs-dev", env={}).profile
        assert (profile.door, profile.client_id) == ("https://dcache-dev.ctaodc.ch:2880", "dcache-dev")
        assert profile.issuer == resolve_profile(env={}).profile.issuer

    def test_built_in_values_pass_their_own_checks(self):
        for table in BUILT_IN.values():
            for key in KEYS:
                if key.name in table:
                    value = table[key.name]
                    assert key.parse_toml(list(value) if isinstance(value, tuple) else value, Path.cwd()) == value

    def test_each_field_of_a_profile_is_a_key(self):
        fields = [field for field in Profile.__dataclass_fields__ if field != "name"]
        assert sorted(fields) == sorted(key.name for key in KEYS)


class TestPrecedence:
    FILE = '[profiles.cscs]\njobs = 4\nclient_id = "file"\n'

    def test_arguments_beat_environment_beats_file_beats_built_in(self, write):
        path, env = write(self.FILE), {"CTADATA_JOBS": "5", "CTADATA_SCOPE": "openid"}
        layers = [
            ({}, {}, (4, str(path))),
            ({}, env, (5, "CTADATA_JOBS in the environment")),
            ({"jobs": "6"}, env, (6, "command line")),
        ]
        for overrides, environment, expected in layers:
            resolved = resolve_profile(overrides=overrides, env=environment, config_file=path)
            value = resolved.values["jobs"]
            assert (value.value, value.origin) == expected
            assert resolved.profile.jobs == value.value
        assert resolve_profile(env={}).values["jobs"].origin == "default"
        assert resolve_profile(env={}).values["door"].origin == "built in"
        assert resolve_profile(env={}, config_file=path).profile.client_id == "file"

    def test_an_empty_variable_does_not_count(self, write):
        env = {"CTADATA_JOBS": "", "CTADATA_PROFILE": "", "CTADATA_CONFIG": ""}
        assert resolve_profile(env=env).profile.jobs == 8

    def test_argument_environment_and_file_choose_the_profile(self, write):
        path = write('default = "mine"\n[profiles.mine]\ndoor = "https://d:1"\n')
        env = {"CTADATA_PROFILE": "cscs-dev"}
        by_name = resolve_profile("cscs", env=env, config_file=path)
        assert (by_name.profile.name, by_name.chosen_by, by_name.explicit) == ("cscs", "command line", True)
        by_env = resolve_profile(env=env, config_file=path)
        assert (by_env.profile.name, by_env.chosen_by, by_env.explicit) == (
            "cscs-dev",
            "CTADATA_PROFILE in the environment",
            False,
        )
        by_file = resolve_profile(env={}, config_file=path)
        assert (by_file.profile.name, by_file.chosen_by) == ("mine", str(path))

    def test_the_file_is_named_by_the_environment(self, write):
        path = write("[profiles.cscs]\njobs = 2\n")
        assert resolve_profile(env={"CTADATA_CONFIG": str(path)}).profile.jobs == 2

    def test_the_file_is_found_at_its_usual_place(self, tmp_path, monkeypatch):
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        (tmp_path / "ctadata").mkdir()
        (tmp_path / "ctadata" / "config.toml").write_text("[profiles.cscs]\njobs = 3\n")
        (tmp_path / "ctadata" / "config.toml").chmod(0o600)
        assert resolve_profile(env={}).profile.jobs == 3

    def test_the_settings_file_may_be_missing(self):
        resolved = resolve_profile(env={})
        assert not resolved.file_exists
        assert resolved.known == ("cscs", "cscs-dev")

    def test_every_key_can_be_set_in_the_environment(self, tmp_path):
        (tmp_path / "ca.pem").touch()
        env = {
            "CTADATA_KIND": "webdav",
            "CTADATA_DOOR": "https://d.example:1/",
            "CTADATA_ENDPOINT": "http://S3.example:9021/",
            "CTADATA_REGION": "eu-central-1",
            "CTADATA_ADDRESSING": "virtual",
            "CTADATA_ANONYMOUS": "true",
            "CTADATA_CREDENTIALS_FILE": str(tmp_path / "keys.json"),
            "CTADATA_AWS_PROFILE": "work",
            "CTADATA_CREDENTIAL_PROCESS": "get-key --for 'my store'",
            "CTADATA_ROLE_ARN": "arn:aws:iam::123456789012:role/reader",
            "CTADATA_STS_ENDPOINT": "https://STS.example/",
            "CTADATA_REQUESTER_PAYS": "true",
            "CTADATA_PART_SIZE": "64 MiB",
            "CTADATA_ROOT": "dav//x/",
            "CTADATA_FRONTEND": "https://D.example:3880",
            "CTADATA_LISTING": "frontend",
            "CTADATA_ISSUER": "https://i.example/realms/a/",
            "CTADATA_CLIENT_ID": "me",
            "CTADATA_CLIENT_SECRET_FILE": str(tmp_path / "secret"),
            "CTADATA_SCOPE": "openid profile",
            "CTADATA_AUDIENCE": "door",
            "CTADATA_ACCEPT_ISSUERS": "https://a.example, https://b.example/x",
            "CTADATA_TOKEN_SOURCE": "oidc-agent",
            "CTADATA_LOGIN_STORE": "keyring",
            "CTADATA_TOKEN_ORIGINS": "https://p1.example:1,https://p2.example:1",
            "CTADATA_HOME": "users/{user},lst/{user}",
            "CTADATA_USER": "jane",
            "CTADATA_USER_CLAIM": "sub,email",
            "CTADATA_USER_RULE": "plain",
            "CTADATA_CA": str(tmp_path / "ca.pem"),
            "CTADATA_HTTP_POOLS": "yes",
            "CTADATA_ATOMIC_PUT": "1",
            "CTADATA_ENGINE": "davix",
            "CTADATA_JOBS": "64",
            "CTADATA_NOTICE": "mind the gap",
        }
        assert set(env) == {key.variable for key in KEYS}
        assert resolve_profile(env=env).profile == Profile(
            name="cscs",
            kind="webdav",
            door="https://d.example:1",
            endpoint="http://s3.example:9021",
            region="eu-central-1",
            addressing="virtual",
            anonymous=True,
            credentials_file=tmp_path / "keys.json",
            aws_profile="work",
            credential_process="get-key --for 'my store'",
            role_arn="arn:aws:iam::123456789012:role/reader",
            sts_endpoint="https://sts.example",
            part_size=64 << 20,
            requester_pays=True,
            root="/dav/x",
            frontend="https://d.example:3880",
            listing="frontend",
            issuer="https://i.example/realms/a/",
            client_id="me",
            client_secret_file=tmp_path / "secret",
            scope="openid profile",
            audience="door",
            accept_issuers=("https://a.example", "https://b.example/x"),
            token_source="oidc-agent",
            login_store="keyring",
            token_origins=("https://p1.example:1", "https://p2.example:1"),
            home=("users/{user}", "lst/{user}"),
            user="jane",
            user_claim=("sub", "email"),
            ca=tmp_path / "ca.pem",
            http_pools=True,
            atomic_put=True,
            engine="davix",
            jobs=64,
            notice="mind the gap",
        )


class TestFile:
    def test_the_file_may_define_a_profile(self, write):
        path = write(
            '[profiles.mine]\nkind = "webdav"\ndoor = "http://127.0.0.1:8080"\nhome = "u/{user}"\n'
            'accept_issuers = ["https://a.example"]\nhttp_pools = true\njobs = 1\n'
        )
        resolved = resolve_profile("mine", env={}, config_file=path)
        assert resolved.profile == Profile(
            name="mine",
            kind="webdav",
            door="http://127.0.0.1:8080",
            home=("u/{user}",),
            accept_issuers=("https://a.example",),
            http_pools=True,
            jobs=1,
        )
        assert resolved.known == ("cscs", "cscs-dev", "mine")
        assert resolved.values["scope"].origin == "default"

    def test_paths_are_relative_to_the_file(self, write, tmp_path):
        (tmp_path / "ca").mkdir()
        path = write('[profiles.cscs]\nca = "ca"\nclient_secret_file = "sub/secret"\n')
        profile = resolve_profile(env={}, config_file=path).profile
        assert (profile.ca, profile.client_secret_file) == (tmp_path / "ca", tmp_path / "sub" / "secret")

    def test_a_tilde_in_a_path_is_the_local_home(self, write, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        path = write('[profiles.cscs]\nclient_secret_file = "~/s"\n')
        assert resolve_profile(env={}, config_file=path).profile.client_secret_file == tmp_path / "s"

    def test_an_empty_text_removes_a_built_in_value(self, write):
        path = write('[profiles.cscs]\nissuer = ""\nhome = []\n')
        profile = resolve_profile(env={}, config_file=path).profile
        assert (profile.issuer, profile.home) == (None, ())


class TestMistakesInTheFile:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ('[profiles.mine]\ndor = "https://d"', "[profiles.mine]: unknown key 'dor'; did you mean door?"),
            ('[profiles.mine]\nxyzzy = "https://d"', "[profiles.mine]: unknown key 'xyzzy'"),
            ("[profile.mine]", "unknown key 'profile'; did you mean profiles?"),
            ("default = 7", "default: must be the name of a profile in quotes, not 7"),
            ("profiles = 7", "profiles: must be tables"),
            ("[profiles]\nmine = 7", "profiles.mine: must be a table"),
            ('[profiles."a/b"]\n', "profile 'a/b': a name holds"),
            ("[profiles.mine]\ndoor =", "this is not TOML"),
            ("[profiles.mine]\n\ndoor = \n[x]", "at line 3"),
            ("[profiles.cscs]\ndoor = 5", "[profiles.cscs] door: must be a text in quotes, not 5"),
            ('[profiles.cscs]\njobs = "many"', "jobs: must be a whole number, not 'many'"),
            ("[profiles.cscs]\njobs = true", "jobs: must be a whole number, not True"),
            ("[profiles.cscs]\njobs = 0", "jobs: must be a whole number from 1 to 128, not '0'"),
            ("[profiles.cscs]\njobs = 129", "jobs: must be a whole number from 1 to 128"),
            ('[profiles.cscs]\nhttp_pools = "yes"', "http_pools: must be true or false, not 'yes'"),
            ("[profiles.cscs]\nhome = [1]", "home: must be a list of texts, not [1]"),
            ('[profiles.cscs]\nhome = ["u/{name}"]', "'u/{name}' may hold {user} and no other braces"),
            ('[profiles.cscs]\nhome = ["u/{user"]', "may hold {user} and no other braces"),
            ('[profiles.cscs]\nhome = ["u/../{user}"]', "'..' cannot be a name"),
            ('[profiles.cscs]\nkind = "ftp"', "kind: must be dcache or webdav or s3, not 'ftp'"),
            ('[profiles.cscs]\nkind = "s3"', "endpoint is missing, such as endpoint = "),
            ('[profiles.cscs]\nendpoint = "s3.example.org"', "endpoint: must be an https address"),
            ('[profiles.cscs]\nendpoint = "http://s3.example.org/bucket"', "write the path '/bucket' into root"),
            ('[profiles.cscs]\nregion = "a b"', "region: must be a region such as eu-central-1"),
            ('[profiles.cscs]\naddressing = "host"', "addressing: must be auto or path or virtual"),
            ('[profiles.cscs]\npart_size = "4MiB"', "part_size: must be a size from 5MiB to 5120MiB"),
            ('[profiles.cscs]\npart_size = "many"', "part_size: must be a size from 5MiB to 5120MiB"),
            ('[profiles.cscs]\nuser_rule = "x"', "user_rule: must be plain or cta"),
            ('[profiles.cscs]\ntoken_source = "oidc"', "token_source: must be agent or oidc-agent"),
            ('[profiles.cscs]\nroot = "/a/../b"', "root: '..' cannot be a name"),
            ('[profiles.cscs]\nuser = "a/b"', "user: 'a/b' cannot be a user name"),
            ('[profiles.cscs]\nca = "nowhere.pem"', "ca: there is no "),
            ('[profiles.cscs]\nscope = " "', "scope: ' ' is empty"),
        ],
    )
    def test_a_mistake_is_reported_in_one_line_with_its_place(self, write, text, words):
        path = write(text)
        line = refused(config_file=path)
        assert line.startswith(f"{path}: ")
        assert words in line

    @pytest.mark.parametrize(
        ("door", "words"),
        [
            ("http://door.example:2880", "must be https, because it receives the token"),
            ("http://127.0.0.1.example:2880", "must be https"),
            ("ftp://door.example", "must be an https address"),
            ("door.example:2880", "must be an https address"),
            ("https://", "must be an https address"),
            ("https://door.example:x", "must be an https address"),
            ("https://door example", "must be an https address"),
            ("https://[::1", "must be an https address"),
            ("https://door.example/dav", "write the path '/dav' into root"),
            ("https://u:hunter2@door.example", "without user, password"),
            ("ftp://u:hunter2@door.example", "must be an https address"),
            ("https://door.example?x=1", "without user, password, query"),
            ("https://door.example#", "without user, password, query or fragment"),
        ],
    )
    def test_doors(self, write, door, words):
        line = refused(config_file=write(f'[profiles.cscs]\ndoor = "{door}"'))
        assert words in line
        assert "hunter2" not in line.partition("[profiles.cscs]")[2]

    @pytest.mark.parametrize("door", ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "http://127.9.9.9"])
    def test_http_on_this_machine_is_allowed(self, write, door):
        assert resolve_profile(env={}, config_file=write(f'[profiles.cscs]\ndoor = "{door}"')).profile.door == door

    def test_a_profile_without_door(self, write):
        path = write('[profiles.mine]\nkind = "webdav"')
        assert refused(name="mine", config_file=path).startswith(f"{path}: [profiles.mine]: door is missing")

    def test_mistakes_in_another_profile_do_not_matter(self, write):
        path = write("[profiles.other]\njobs = 99\n")
        assert resolve_profile("cscs", env={}, config_file=path).profile.jobs == 8

    def test_a_named_settings_file_has_to_exist(self, tmp_path):
        path = tmp_path / "nowhere.toml"
        assert refused(config_file=path) == f"{path}: there is no such settings file"
        assert str(path) in refused(env={"CTADATA_CONFIG": str(path)})

    def test_a_directory_is_no_file(self, tmp_path):
        assert refused(config_file=tmp_path) == f"{tmp_path}: the settings cannot be read: Is a directory"

    def test_a_file_that_is_no_utf8_is_refused(self, write):
        path = write("")
        path.write_bytes(b"\xff\xfe")
        assert refused(config_file=path) == f"{path}: the settings are not UTF-8 text"

    def test_a_file_that_everybody_may_change_is_refused(self, write):
        path = write("")
        path.chmod(0o666)
        line = refused(config_file=path)
        assert "everybody on this machine may change these settings" in line
        assert f"chmod o-w {path}" in line


LONG = "x" * 5000


@pytest.mark.parametrize(
    "line",
    [
        *(f'{key.name} = "{LONG}"' for key in KEYS),
        *(f'{key.name} = ["{LONG}"]' for key in KEYS),
        *(f"{key.name} = {'9' * 4000}" for key in KEYS),
        *(f"{key.name} = 0x{'9' * 5000}" for key in KEYS),
        *(f"{key.name} = [0x{'9' * 5000}]" for key in KEYS),
        f"jobs = {'9' * 5000}",
        f"{LONG} = 1",
        f"[profiles.{LONG}]",
        f"jobs = {'[' * 5000}{']' * 5000}",
        f"{'a.' * 5000}b = 1",
        'client_secret_file = "~nobody-of-that-name/x"',
        f'ca = "{"x" * 4000}"',
        "home = [1e400, nan]",
        'notice = "\\u0000"',
        "jobs = 1979-05-27T07:32:00Z",
    ],
)
def test_the_error_for_a_huge_value_is_one_line(write, line):
    said = refused(config_file=write(f"[profiles.cscs]\n{line}\n"))
    assert "[profiles" in said or "TOML" in said or "profile" in said or "key" in said
    assert len(said) < 1000


@pytest.mark.parametrize("key", [key for key in KEYS if key.name != "door"], ids=lambda key: key.name)
def test_the_error_for_a_huge_variable_is_one_line(key):
    for value in (LONG, "9" * 5000, "\udcff", "~nobody-of-that-name/x" if key.name.endswith("_file") else LONG):
        assert len(refused(env={key.variable: value})) < 1000


@pytest.mark.parametrize("path", [f"/{LONG}", "/x" * 3000, "~nobody-of-that-name/x", "\udcff"])
def test_an_unusable_path_of_settings_is_refused(path):
    assert len(refused(env={"CTADATA_CONFIG": path})) < 1000


def test_an_endless_settings_file_is_refused():
    assert "at most" in refused(env={"CTADATA_CONFIG": "/dev/zero"})


class TestOtherMistakes:
    def test_unknown_profile(self, write):
        path = write('[profiles.mine]\ndoor = "https://d"')
        line = refused(name="cscs_dev", config_file=path)
        assert line.startswith("there is no profile 'cscs_dev'; did you mean cscs-dev?")
        assert "known: cscs, cscs-dev, mine" in line
        assert "CTADATA_PROFILE in the environment" in refused(env={"CTADATA_PROFILE": "zzz"})

    def test_wrong_values_in_the_environment(self):
        assert refused(env={"CTADATA_JOBS": "many"}) == (
            "CTADATA_JOBS in the environment: jobs: must be a whole number from 1 to 128, not 'many'"
        )
        assert "must be true or false, not 'maybe'" in refused(env={"CTADATA_HTTP_POOLS": "maybe"})
        assert "must be https" in refused(env={"CTADATA_TOKEN_ORIGINS": "https://a,http://b"})

    def test_wrong_values_on_the_command_line(self):
        assert refused(overrides={"jobs": "-1"}).startswith("command line: jobs: must be")
        assert refused(overrides={"dor": "x"}) == "command line: unknown key 'dor'; did you mean door?"

    def test_a_misspelt_variable_is_logged(self, caplog):
        with caplog.at_level(logging.WARNING, "ctadata"):
            resolve_profile(env={"CTADATA_DOR": "https://d", "CTADATA_SOMETHING_ELSE": "1", "DOR": "1"})
        assert caplog.messages == ["CTADATA_DOR in the environment has no effect; did you mean CTADATA_DOOR?"]


@pytest.fixture
def jos(monkeypatch, tmp_path):
    """Return a function that writes JASMIN's credentials file into a home."""

    def put(text):
        folder = tmp_path / ".credentials"
        folder.mkdir(exist_ok=True)
        (folder / "jos-credentials.json").write_text(text)

    monkeypatch.setenv("HOME", str(tmp_path))
    return put


def test_the_store_of_an_s3_profile_may_stand_beside_its_key(jos, write):
    file = write('[profiles.a]\nkind = "s3"\n[profiles.b]\nkind = "s3"\nendpoint = "https://b.example"\n')
    jos('{"token": "a", "secret": "b", "store_url": "http://store.example:80/"}')
    resolved = resolve_profile("a", env={}, config_file=file)
    assert resolved.profile.endpoint == "http://store.example:80"
    assert resolved.values["endpoint"].origin.endswith(".credentials/jos-credentials.json")
    assert resolve_profile("b", env={}, config_file=file).profile.endpoint == "https://b.example"
    assert resolve_profile("cscs", env={}, config_file=file).profile.endpoint is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"token": "a", "secret": "b"}', "\0", '{"store_url": null'])
def test_a_credentials_file_without_a_store_is_ignored(jos, write, text):
    jos(text)
    file = write('[profiles.a]\nkind = "s3"\n')
    assert "endpoint is missing" in refused(name="a", config_file=file)


@pytest.mark.parametrize("url", ['"ftp://a"', '"a.example"', '"https://a/b"', "7", "null", '"https://user:pw@a"'])
def test_a_store_that_is_no_address_is_an_error(jos, write, url):
    jos(f'{{"store_url": {url}}}')
    line = refused(name="a", config_file=write('[profiles.a]\nkind = "s3"\n'))
    assert "jos-credentials.json: store_url: " in line
    assert "pw" not in line
