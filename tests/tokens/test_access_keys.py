"""Where an access key comes from, and the text forms that it is read from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctadata.config.profile import Profile
from ctadata.errors import ConfigError, LocalError, LoginNeeded
from ctadata.tokens.access_key_text import AccessKey, parse_access_key
from ctadata.tokens.access_keys import AccessKeys, forget_access_key, load_access_key, save_access_key
from ctadata.tokens.profile_files import ProfileFiles
from ctadata.tokens.token import Secret

PROFILE = Profile(name="mine", door="", kind="s3", endpoint="https://s3.example")
SECRET = "wJalr/XUtnFEMI+K7MDENG=bPxRfiCYEXAMPLEKEY"
TOKEN = "FwoGZXIvYXdzEBYaDP//////////wEaDL=="
FULL = AccessKey("AKIA1", Secret(SECRET), Secret(TOKEN))


@pytest.mark.parametrize(
    "text",
    [
        f'export AWS_ACCESS_KEY_ID="AKIA1"\nexport AWS_SECRET_ACCESS_KEY="{SECRET}"\nexport AWS_SESSION_TOKEN={TOKEN}',
        f"SET AWS_ACCESS_KEY_ID=AKIA1\r\nSET AWS_SECRET_ACCESS_KEY={SECRET}\r\nSET AWS_SESSION_TOKEN={TOKEN}\r\n",
        f'$Env:AWS_ACCESS_KEY_ID="AKIA1"\n$Env:AWS_SECRET_ACCESS_KEY="{SECRET}"\n$Env:AWS_SESSION_TOKEN="{TOKEN}"',
        f"  AWS_ACCESS_KEY_ID='AKIA1';\n\n# a remark\nAWS_SECRET_ACCESS_KEY={SECRET}\nAWS_SESSION_TOKEN={TOKEN}",
        f"[default]\naws_access_key_id = AKIA1\naws_secret_access_key = {SECRET}\naws_session_token = {TOKEN}\n",
        f"export AWS_ACCESS_KEY_ID=AKIA1; export AWS_SECRET_ACCESS_KEY={SECRET} AWS_SESSION_TOKEN={TOKEN}",
        f'set "AWS_ACCESS_KEY_ID=AKIA1" && set "AWS_SECRET_ACCESS_KEY={SECRET}" && set "AWS_SESSION_TOKEN={TOKEN}"',
        f"\ufeffSET AWS_ACCESS_KEY_ID=AKIA1\r\nSET AWS_SECRET_ACCESS_KEY={SECRET}\r\nSET AWS_SESSION_TOKEN={TOKEN}\r\n",
        f"AWS_ACCESS_KEY_ID=AKIA1\r\nAWS_SECRET_ACCESS_KEY={SECRET}\r\nAWS_SESSION_TOKEN={TOKEN}\r\n"
        .encode("utf-16").decode(errors="surrogateescape"),
        json.dumps({"AccessKeyId": "AKIA1", "SecretAccessKey": SECRET, "SessionToken": TOKEN}),
        json.dumps({"credentials": {"aws_access_key_id": "AKIA1", "aws_secret_access_key": SECRET,
                                    "aws_session_token": TOKEN}}),
    ],
)  # fmt: skip
def test_keys_copied_from_a_data_store_are_read(text) -> None:
    assert parse_access_key(text) == FULL


def test_the_names_of_jos_credentials_are_read() -> None:
    text = json.dumps({"token": "AKIA1", "secret": SECRET, "store_url": "http://store.example"})
    assert parse_access_key(text) == AccessKey("AKIA1", Secret(SECRET))


@pytest.mark.parametrize(
    "expiry", ["2026-11-21T12:00:00Z", "2026-11-21T13:00:00+01:00", "2026-11-21T12:00:00", "1795262400"]
)
def test_the_end_of_temporary_credentials_is_read(expiry) -> None:
    text = json.dumps({"AccessKeyId": "AKIA1", "SecretAccessKey": SECRET, "Expiration": expiry})
    assert parse_access_key(text).expires == 1795262400.0


@pytest.mark.parametrize(
    "text",
    ["", "hello", "{}", "[]", '{"token": ', f"AWS_SECRET_ACCESS_KEY={SECRET}", "AWS_ACCESS_KEY_ID=AKIA1",
     f"AWS_ACCESS_KEY_ID=AKIA1\nAWS_SECRET_ACCESS_KEY={SECRET[:5]} {SECRET[5:]}",
     f'AWS_ACCESS_KEY_ID=AKIA1\nAWS_SECRET_ACCESS_KEY="{SECRET[:5]}\n{SECRET[5:]}"',
     f"AWS_ACCESS_KEY_ID=ASIA1\nAWS_SECRET_ACCESS_KEY={SECRET}\nAWS_SESSION_TOKEN=\n"],
)  # fmt: skip
def test_half_a_key_is_refused_and_not_shown(text) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_access_key(text)
    assert SECRET not in str(caught.value)
    assert SECRET[5:] not in str(caught.value)


@given(st.text())
def test_any_text_is_read_or_refused_with_a_config_error(text) -> None:
    try:
        key = parse_access_key(text)
    except ConfigError:
        return
    assert key.id.isprintable()


def test_repr_hides_the_secret() -> None:
    assert SECRET not in repr(FULL)
    assert TOKEN not in repr(FULL)


# --- the places of a key


def keys(tmp_path: Path, profile: Profile = PROFILE, **more: object) -> AccessKeys:
    return AccessKeys(profile, home=tmp_path, **{"env": {}, **more})


def lines(name: str) -> str:
    return f"AWS_ACCESS_KEY_ID={name}\nAWS_SECRET_ACCESS_KEY=secret-of-{name}\n"


def test_the_first_place_with_a_key_is_used(tmp_path) -> None:
    from dataclasses import replace

    env: dict[str, str] = {}
    profile = PROFILE

    def used(explicit: Path | None = None) -> str | None:
        found = AccessKeys(profile, explicit=explicit, env=env, home=tmp_path).locate()
        return found.key and found.key.id

    assert used() is None
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text("[default]\n" + lines("of-aws").lower())
    assert used() == "of-aws"
    env.update(AWS_ACCESS_KEY_ID="of-env", AWS_SECRET_ACCESS_KEY="s")
    assert used() == "of-env"
    (tmp_path / ".credentials").mkdir()
    (tmp_path / ".credentials" / "jos-credentials.json").write_text('{"token": "of-jos", "secret": "s"}')
    assert used() == "of-jos"
    save_access_key(ProfileFiles.of("mine"), AccessKey("imported", Secret("s")))
    assert used() == "imported"
    (tmp_path / "named").write_text(lines("of-profile"))
    profile = replace(PROFILE, credentials_file=tmp_path / "named")
    assert used() == "of-profile"
    (tmp_path / "explicit").write_text(lines("explicit"))
    assert used(tmp_path / "explicit") == "explicit"
    profile = replace(profile, anonymous=True)
    assert used(tmp_path / "explicit") is None


def test_the_key_in_use_signs(tmp_path) -> None:
    env = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
    source = keys(tmp_path, env=env)
    key = source.current("eu-west-1")
    assert (key.id, key.secret, key.token, key.region) == ("a", "s", "t", "eu-west-1")
    assert source.origin == "AWS_ACCESS_KEY_ID in the environment"
    assert "'s'" not in repr(key)


def test_aws_profile_selects_the_section(tmp_path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text("[other]\n" + lines("of-other").lower())
    assert keys(tmp_path).locate().key is None
    assert keys(tmp_path, env={"AWS_PROFILE": "other"}).locate().key.id == "of-other"
    with pytest.raises(ConfigError, match=r"~/\.aws"):
        keys(tmp_path, env={"AWS_PROFILE": "nosuch"}).locate()


def test_no_cloud_metadata_service_is_asked(tmp_path, refusals) -> None:
    (tmp_path / ".aws").mkdir()
    assert keys(tmp_path).locate().key is None
    assert refusals() == []


def test_a_named_file_must_exist_and_be_complete(tmp_path) -> None:
    with pytest.raises(LocalError, match="file does not exist"):
        keys(tmp_path, explicit=tmp_path / "nowhere").locate()
    (tmp_path / "half").write_text("AWS_ACCESS_KEY_ID=AKIA1")
    with pytest.raises(ConfigError) as caught:
        keys(tmp_path, explicit=tmp_path / "half").locate()
    assert caught.value.path == str(tmp_path / "half")


def test_a_file_that_others_can_write_is_refused(tmp_path) -> None:
    (tmp_path / "open").write_text(lines("open"))
    (tmp_path / "open").chmod(0o666)
    with pytest.raises(LocalError, match="others can write"):
        keys(tmp_path, explicit=tmp_path / "open").locate()


def test_an_imported_key_is_private_and_can_be_deleted() -> None:
    files = ProfileFiles.of("mine")
    save_access_key(files, AccessKey("AKIA1", Secret(SECRET), Secret(TOKEN), 1795262400.0))
    assert files.access_key.stat().st_mode & 0o777 == 0o600
    assert files.folder.stat().st_mode & 0o777 == 0o700
    assert load_access_key(files) == AccessKey("AKIA1", Secret(SECRET), Secret(TOKEN), 1795262400.0)
    assert forget_access_key(files)
    assert not forget_access_key(files)
    assert load_access_key(files) is None


def test_an_expired_key_is_not_sent_and_a_new_one_is_found(tmp_path) -> None:
    now = [1000.0]
    files = ProfileFiles.of("mine")
    save_access_key(files, AccessKey("first", Secret("s"), expires=2000.0))
    source = keys(tmp_path, now=lambda: now[0])
    assert source.current("r").id == "first"
    now[0] = 2001.0
    with pytest.raises(LoginNeeded, match="expired") as caught:
        source.current("r")
    assert "credentials import" in caught.value.hint
    save_access_key(files, AccessKey("second", Secret("s"), expires=9000.0))
    assert source.current("r").id == "second"
