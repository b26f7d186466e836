"""`config`: its output is right, can be read as settings, and has no secret."""

import json
import tomllib

from ctadata.config.keys import KEYS


def test_the_output_is_a_valid_settings_file(cli, tmp_path):
    env = {"CTADATA_USER": 'o"hara', "CTADATA_JOBS": "3", "CTADATA_HTTP_POOLS": "1", "CTADATA_CA": str(tmp_path)}
    out = cli("config", env=env, check=0).out
    (table,) = tomllib.loads(out)["profiles"].values()
    assert table["user"] == 'o"hara'
    assert (table["jobs"], table["http_pools"], table["ca"]) == (3, True, str(tmp_path))
    settings = tmp_path / "again.toml"
    settings.write_text(out)
    again = cli("config", "--json", env={"CTADATA_CONFIG": str(settings)}, check=0)
    values = json.loads(again.out)["values"]
    assert {key: values[key]["value"] for key in table} == table


def test_each_value_has_its_origin(cli, tmp_path):
    settings = tmp_path / "settings.toml"
    settings.write_text('[profiles.cscs]\nscope = "openid"\n')
    out = cli("config", env={"CTADATA_CONFIG": str(settings), "CTADATA_JOBS": "3"}, check=0).out.splitlines()
    assert "jobs = 3  # CTADATA_JOBS in the environment" in out
    assert f'scope = "openid"  # {settings}' in out
    assert 'client_id = "dcache-cta-cscs-ch-users"  # built in' in out
    assert 'root = "/"  # default' in out
    assert "# frontend is not set" in out
    assert f"# settings file: {settings}" in out
    assert "# profile cscs (by: built in); known: cscs, cscs-dev" in out


def test_keys_of_other_kinds_are_shown_only_if_they_are_set(cli):
    store = {"CTADATA_KIND": "s3", "CTADATA_ENDPOINT": "https://s3.example.org"}
    for env, here, not_here in [
        ({}, {"door", "frontend", "issuer", "home"}, {"endpoint", "region", "addressing", "part_size"}),
        ({"CTADATA_KIND": "webdav"}, {"door", "http_pools"}, {"frontend", "listing", "endpoint"}),
        (store, {"endpoint", "region", "home", "door"}, {"frontend", "http_pools", "atomic_put"}),
    ]:
        out = cli("config", env=env, check=0).out
        shown = {line.removeprefix("# ").split()[0] for line in out.partition("[profiles")[2].splitlines()[1:]}
        assert here <= shown, "the door of the built-in profile is set"
        assert not not_here & shown


def test_json_is_one_object(cli):
    out = cli("config", "--json", "-d", env={"CTADATA_JOBS": "3"}, check=0).out
    assert out.count("\n") == 1
    fields = json.loads(out)
    assert next(iter(fields)) == "schema"
    assert (fields["schema"], fields["profile"], fields["chosen_by"]) == (1, "cscs-dev", "command line")
    assert fields["values"]["jobs"] == {"value": 3, "origin": "CTADATA_JOBS in the environment"}
    assert set(fields["values"]) == {key.name for key in KEYS}
    assert fields["file_exists"] is False


def test_secrets_are_hidden(cli):
    env = {"BEARER_TOKEN": "hunter2", "CTADATA_CLIENT_SECRET": "hunter3"}
    for arguments in (["config"], ["config", "--json"], ["config", "-v", "-v"]):
        ended = cli(*arguments, env=env, check=0)
        assert "BEARER_TOKEN" in ended.out
        assert "hunter" not in ended.out + ended.err


def test_all_keys_are_explained(cli):
    out = cli("config", "--keys", check=0).out
    for key in KEYS:
        assert f"  {key.name} " in out
        assert key.meaning in out
    lines = [line for line in out.splitlines() if line.startswith("  ")]
    assert len({line.index(line.split(maxsplit=1)[1], len(line.split()[0]) + 2) for line in lines}) == 1, "one column"
    assert "  NO_COLOR " in out


def test_a_misspelt_variable_is_named(cli):
    ended = cli("config", env={"CTADATA_JOB": "3"}, check=0)
    line = "cta-data-direct: warning: CTADATA_JOB in the environment has no effect; did you mean CTADATA_JOBS?\n"
    assert ended.err == line
    assert cli("config", "-q", env={"CTADATA_JOB": "3"}, check=0).err == ""
