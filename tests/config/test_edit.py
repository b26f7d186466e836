"""A profile is put into the text of a settings file, and the rest of the text stays byte for byte."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from ctadata.config.edit import profile_table, put_profile
from ctadata.errors import ConfigError

WANTED = {"kind": "dcache", "door": "https://new:1", "home": ("a/{user}", "b"), "http_pools": True, "jobs": 3}
PLAIN = {**WANTED, "home": ["a/{user}", "b"]}
PATH = Path("settings.toml")


def profiles(text: str) -> dict[str, object]:
    return tomllib.loads(text)["profiles"]


@pytest.mark.parametrize("name", ["mine", "a.b", "a-b_c"])
def test_a_table_says_what_was_put_in(name: str) -> None:
    values = {**WANTED, "ca": Path('/tmp/a "b" \\ é')}
    assert profiles(profile_table(name, values)) == {name: {**PLAIN, "ca": '/tmp/a "b" \\ é'}}


@pytest.mark.parametrize(
    "text",
    [
        "",
        'default = "x"',
        '# mine\r\n[profiles.x]\r\ndoor = "https://x:1" # kept\r\n',
        '[profiles]\nx.door = "https://x:1"\n\n\n# the end',
        '[profiles.x]\nnotice = """\n[profiles.mine]\n"""\n',
        "# a\u2028b\n",
    ],
)
def test_a_new_profile_follows_the_old_text(text: str) -> None:
    after = put_profile(text, "mine", WANTED, PATH)
    assert after.startswith(text)
    assert profiles(after) == {**tomllib.loads(text).get("profiles", {}), "mine": PLAIN}


def test_a_changed_profile_keeps_comments_and_equal_lines() -> None:
    text = (
        '# top\n[ profiles . "mine" ] # here\nkind   =  "dcache" # equal\n# about the door\ndoor = "https://old:1"\n'
        'home = [\n  "a/{user}", # first\n  "b",\n]\naudience = "gone"\n\n# about x\n[profiles.x]\njobs = 2\n'
    )
    after = put_profile(text, "mine", WANTED, PATH)
    assert after == (
        '# top\n[ profiles . "mine" ] # here\nkind   =  "dcache" # equal\n# about the door\ndoor = "https://new:1"\n'
        'home = [\n  "a/{user}", # first\n  "b",\n]\nhttp_pools = true\njobs = 3\n\n# about x\n[profiles.x]\njobs = 2\n'
    )


def test_the_last_table_of_a_file_without_a_last_newline_can_be_changed() -> None:
    assert put_profile('[profiles.mine]\nkind = "s3"', "mine", {"kind": "s3", "jobs": 1}, PATH) == (
        '[profiles.mine]\nkind = "s3"\njobs = 1\n'
    )


@pytest.mark.parametrize(
    "text",
    [
        '[profiles]\nmine.door = "https://old:1"\n',
        'profiles = {mine = {door = "https://old:1"}}\n',
        'profiles = {x = {door = "https://old:1"}}\n',
        'profiles.mine.door = "https://old:1"\n',
    ],
)
def test_another_form_is_refused_and_not_spoilt(text: str) -> None:
    with pytest.raises(ConfigError, match="--dry-run prints it"):
        put_profile(text, "mine", WANTED, PATH)
