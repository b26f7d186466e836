"""Settings that other users may have written are refused, or accepted only if they were named."""

import logging
import os
import stat

import pytest

from ctadata.config.resolve import profile_names, resolve_profile
from ctadata.errors import ConfigError
from ctadata.permissions import refuse_untrusted_file
from ctadata.transfer.receipt import read_receipt

SETTINGS = '[profiles.cscs]\ndoor = "https://elsewhere.example.org:2880"\n'


@pytest.fixture
def usual(tmp_path, monkeypatch):
    """The settings file at its default path."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "ctadata" / "config.toml"
    path.parent.mkdir(mode=0o755)
    path.write_text(SETTINGS)
    path.chmod(0o644)
    return path


def door(**env):
    return resolve_profile(env=env).profile.door


def refused(**env):
    with pytest.raises(ConfigError) as caught:
        resolve_profile(env=env)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def with_owner(path, uid):
    return os.stat_result([*path.stat()[:4], uid, *path.stat()[5:]])


def test_a_file_that_only_its_owner_can_write_is_accepted(usual):
    assert door() == door(CTADATA_CONFIG=str(usual)) == "https://elsewhere.example.org:2880"


@pytest.mark.parametrize("named", [False, True])
def test_a_file_that_the_world_can_write_is_refused(usual, named):
    env = {"CTADATA_CONFIG": str(usual)} if named else {}
    usual.chmod(0o646)
    assert f"chmod o-w {usual}" in refused(**env)
    usual.chmod(0o644)
    usual.parent.chmod(0o757)
    assert f"chmod o-w {usual.parent}" in refused(**env)
    with pytest.raises(ConfigError):
        profile_names(env)
    usual.parent.chmod(0o1757)
    assert door(**env)


def test_a_link_into_a_world_writable_directory_is_refused(usual, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    usual.rename(shared / "settings")
    usual.symlink_to(shared / "settings")
    assert door()
    shared.chmod(0o777)
    assert f"chmod o-w {shared}" in refused()


def test_a_group_writable_file_is_accepted_if_it_is_named(usual, caplog):
    caplog.set_level(logging.INFO, "ctadata")
    usual.chmod(0o664)
    assert f"chmod g-w {usual}, or name it: CTADATA_CONFIG={usual}" in refused()
    usual.parent.chmod(stat.S_ISGID | 0o775)
    assert door(CTADATA_CONFIG=str(usual)) == "https://elsewhere.example.org:2880"
    [record] = caplog.records
    assert "may change it" in record.getMessage()
    assert str(usual) in record.getMessage()


def test_a_file_of_another_user_is_accepted_if_it_is_named(usual, caplog):
    caplog.set_level(logging.INFO, "ctadata")
    found = with_owner(usual, os.geteuid() + 1)
    with pytest.raises(ConfigError, match=f"uid {os.geteuid() + 1}"):
        refuse_untrusted_file(found, usual, what="these settings", named=False)
    refuse_untrusted_file(found, usual, what="these settings", named=True)
    assert "another user" in caplog.text
    refuse_untrusted_file(with_owner(usual, 0), usual, what="these settings", named=False)


def test_pipes_and_devices_are_the_users_own():
    assert door(CTADATA_CONFIG=os.devnull)


def test_the_same_rules_hold_for_receipts(tmp_path):
    receipt = tmp_path / "r.jsonl"
    receipt.write_text("")
    receipt.chmod(0o666)
    with pytest.raises(ConfigError, match="chmod o-w"):
        read_receipt(receipt)


def test_the_same_rules_hold_for_jasmins_credentials(tmp_path, monkeypatch):
    path = tmp_path / ".credentials" / "jos-credentials.json"
    path.parent.mkdir(mode=0o755)
    path.write_text('{"store_url": "https://store.example.org"}')
    monkeypatch.setenv("HOME", str(tmp_path))
    path.chmod(0o666)
    assert "chmod o-w" in refused(CTADATA_KIND="s3")
    path.chmod(0o600)
    assert resolve_profile(env={"CTADATA_KIND": "s3"}).profile.endpoint == "https://store.example.org"
