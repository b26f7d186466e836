"""Remote paths and typed paths."""

import os
import posixpath
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctadata.errors import UsageError
from ctadata.paths import (
    Anchor,
    RemotePath,
    TypedPath,
    first_changed_by_nfc,
    first_control_character,
    refuse_userinfo,
    to_nfc,
)
from ctadata.printable import escape_unprintable
from ctadata.transfer import temp_names

NAME = (
    st.binary(min_size=1, max_size=30)
    .map(lambda raw: raw.decode("utf-8", "surrogateescape"))
    .filter(lambda name: name not in (".", "..") and "/" not in name and "\0" not in name)
)
PARTS = st.lists(NAME, max_size=6).map(tuple)


# --- RemotePath ---


@given(PARTS)
def test_a_path_is_the_same_after_encoding_and_decoding(parts: tuple[str, ...]) -> None:
    path = RemotePath(parts)
    assert RemotePath.decode(path.encoded) == path
    assert RemotePath.decode(path.encoded + "/") == path


@given(PARTS)
def test_a_path_is_the_same_after_str_and_parse(parts: tuple[str, ...]) -> None:
    assert RemotePath.parse(str(RemotePath(parts))) == RemotePath(parts)


@given(PARTS)
def test_an_encoded_path_is_one_path_of_a_url_and_nothing_else(parts: tuple[str, ...]) -> None:
    encoded = RemotePath(parts).encoded
    assert encoded.isascii()
    url = urlsplit("https://door.example" + encoded)
    assert (url.netloc, url.path, url.query, url.fragment) == ("door.example", encoded, "", "")
    assert urljoin("https://door.example/a/b", encoded) == "https://door.example" + encoded


@given(PARTS, NAME)
def test_relative_to_is_the_opposite_of_join(parts: tuple[str, ...], name: str) -> None:
    path = RemotePath(parts)
    below = path / name
    assert (below.parent, below.name) == (path, name)
    assert below.relative_to(path) == (name,)
    assert path.join([name]) == below
    assert RemotePath().join(below.parts) == below


DOTS = st.text(alphabet="./%2eE2fF\0a", max_size=20)


@given(st.one_of(DOTS, st.text(max_size=30)))
def test_no_text_becomes_a_path_that_leaves_its_root(text: str) -> None:
    for read in (RemotePath.parse, RemotePath.decode):
        try:
            path = read(text)
        except UsageError:
            continue
        assert not {"", ".", ".."} & set(path.parts)
        assert not any("/" in part or "\0" in part for part in path.parts)
        assert posixpath.normpath(str(path)) == str(path)


@pytest.mark.parametrize("text", ["..", "../a", "a/../b", "/a/..", "a\0b"])
def test_the_error_of_a_refused_path_shows_no_nul(text: str) -> None:
    with pytest.raises(UsageError, match="cannot be a name") as caught:
        RemotePath.parse(text)
    assert "\0" not in str(caught.value)


@pytest.mark.parametrize("text", ["/%2e%2e/a", "/a%2fb", "/a%2Fb", "/%00", "/..", "/%2E./x"])
def test_refused_when_decoded(text: str) -> None:
    with pytest.raises(UsageError):
        RemotePath.decode(text)


@pytest.mark.parametrize("part", ["", ".", "..", "a/b", "a\0b"])
def test_refused_as_a_name(part: str) -> None:
    with pytest.raises(UsageError):
        RemotePath((part,))
    with pytest.raises(UsageError):
        _ = RemotePath() / part


def test_a_character_that_no_url_can_carry_is_refused_in_words() -> None:
    with pytest.raises(UsageError):
        _ = RemotePath(("\ud800",)).encoded


def test_doubled_slashes_and_dots_are_dropped() -> None:
    assert RemotePath.parse("//a/./b//").parts == ("a", "b")
    assert RemotePath.decode("//a/%2E/b//").parts == ("a", "b")
    assert RemotePath.parse("") == RemotePath.parse("/") == RemotePath()


def test_the_characters_that_are_not_encoded() -> None:
    assert RemotePath.parse("/a b/ü+~.-_!%41/#?&;@:").encoded == "/a%20b/%C3%BC%2B~.-_%21%2541/%23%3F%26%3B%40%3A"
    assert RemotePath().encoded == "/"
    assert str(RemotePath()) == "/"


def test_the_root_is_its_own_parent() -> None:
    assert (RemotePath().name, RemotePath().parent) == ("", RemotePath())


def test_relative_to_another_path_is_an_error() -> None:
    with pytest.raises(ValueError):
        RemotePath.parse("/ab/c").relative_to(RemotePath.parse("/a"))


@pytest.mark.parametrize(
    ("name", "is_ours"),
    [
        (".ctadata-01234567-89abcdef-1-1-0123abcd", True),
        (".ctadata-0123456789abcdef-01234567-89abcdef-1-1-0123abcd.part", True),
        (".ctadata-0123456789abcdef-01234567-89abcdef-1-1-0123abcd.journal-new", True),
        (".ctadata-0123456789abcdef.journal", True),
        (".ctadata-trial-0-0-0-0123abcde\N{COMBINING ACUTE ACCENT}", True),
        (".ctadata-", False),
        (".ctadata-x", False),
        (".ctadata-my-notes.txt", False),
        ("ctadata-01234567-89abcdef-1-1-0123abcd", False),
    ],
)
def test_our_own_temporaries(name, is_ours) -> None:
    assert RemotePath.parse(f"/a/{name}").is_temporary is is_ours
    assert not RemotePath.parse(f"/{name}/a").is_temporary


def test_each_new_name_is_one_of_a_temporary() -> None:
    assert RemotePath((temp_names.new_name(),)).is_temporary


# --- Spelling ---


@pytest.mark.parametrize(
    ("text", "anchor", "path", "slash"),
    [
        ("/a/b", Anchor.ROOT, "/a/b", False),
        ("/", Anchor.ROOT, "/", True),
        ("a/b/", Anchor.RELATIVE, "/a/b", True),
        ("a", Anchor.RELATIVE, "/a", False),
        ("", Anchor.RELATIVE, "/", False),
        (".", Anchor.RELATIVE, "/", False),
        ("~", Anchor.HOME, "/", False),
        ("~/", Anchor.HOME, "/", True),
        ("~/a", Anchor.HOME, "/a", False),
        ("home:", Anchor.HOME, "/", True),
        ("home:a/", Anchor.HOME, "/a", True),
        ("home:/a", Anchor.HOME, "/a", False),
        ("~a/b", Anchor.RELATIVE, "/~a/b", False),
        ("a/~/b", Anchor.RELATIVE, "/a/~/b", False),
        ("a%20b", Anchor.RELATIVE, "/a%20b", False),
    ],
)
def test_typed_paths_are_parsed(text: str, anchor: Anchor, path: str, slash: bool) -> None:
    assert TypedPath.parse(text) == TypedPath(anchor, RemotePath.parse(path), slash)


@pytest.mark.parametrize("text", ["a/../b", "~/..", "home:..", "/.."])
def test_double_dots_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        TypedPath.parse(text)


def test_the_local_home_that_a_shell_put_in_is_refused_with_the_right_spelling() -> None:
    home = os.environ["HOME"]
    with pytest.raises(UsageError, match="home:data/x") as caught:
        TypedPath.parse(f"{home}/data/x")
    assert "'~/data/x'" in str(caught.value)
    with pytest.raises(UsageError):
        TypedPath.parse(home)
    assert TypedPath.parse(home + "-elsewhere/x").anchor is Anchor.ROOT


def test_if_home_is_the_root_no_path_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/")
    assert TypedPath.parse("/a").anchor is Anchor.ROOT


# --- printable ---


@given(st.text(alphabet=st.characters(exclude_categories=[])))
def test_characters_that_control_a_terminal_are_escaped(text: str) -> None:
    shown = escape_unprintable(text)
    for c in shown:
        assert c >= " "
        assert c != "\x7f"
        assert not "\x80" <= c <= "\x9f"
        assert not "\ud800" <= c <= "\udfff"
        assert c not in "\u2028\u2029\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\u061c"
    shown.encode()


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_letters_of_all_scripts_stay(text: str) -> None:
    assert escape_unprintable(text) == text


def test_the_form_of_an_escape() -> None:
    assert escape_unprintable("a\x1b[31m\nb\u202e\udcff") == "a\\x1b[31m\\nb\\u202e\\udcff"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", ""), ("a", ""), ("\xe9", ""), ("\ud55c", ""), ("\U0001f600", ""), ("\u0301", ""), ("\udcff", ""),
        ("cafe\u0301.txt", "U+0301 COMBINING ACUTE ACCENT"), ("\u212b", "U+212B ANGSTROM SIGN"),
        ("\u1112\u1161", "U+1161 HANGUL JUNGSEONG A"), ("q\u0307\u0323", "U+0323 COMBINING DOT BELOW"),
        ("\xe9o\u0308e\u0301", "U+0308 COMBINING DIAERESIS"),
    ],
)  # fmt: skip
def test_the_character_for_which_nfc_writes_a_name_otherwise(name: str, words: str) -> None:
    assert first_changed_by_nfc(name) == words
    assert (to_nfc(name) == name) == (not words)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a b\xa0\u2028", ""), ("a\nb\r", "U+000A (newline)"), ("\t", "U+0009 (tab)"), ("\x7f", "U+007F (delete)"),
        ("\x85", "U+0085 (control character)"), ("\x1b[1m", "U+001B (escape)"),
    ],
)  # fmt: skip
def test_the_control_character_of_a_name(name: str, words: str) -> None:
    assert first_control_character(name) == words


@given(st.text(max_size=20))
def test_a_name_is_changed_by_nfc_or_it_is_not(name: str) -> None:
    assert bool(first_changed_by_nfc(name)) == (to_nfc(name) != name)
    assert first_changed_by_nfc(to_nfc(name)) == ""


class TestUserinfo:
    @pytest.mark.parametrize(
        "text",
        [
            "https://ada:5ecret@host/x",
            "HTTPS://5ecret@host",
            "http://ada:p/5ecret@host:80/x",
            "http://ada:5@5ecret@host/x",
            "https://ada:p?#5ecret@host/x",
            "https:/ada:5ecret@host/x",
            "davs://ada:5ecret@host",
            "home:https://ada:5ecret@host/x",
            "mine:https://ada:5ecret@host/x",
            "s3://ada:5ecret@bucket/x",
            "https://ada:5ecret@host/x/https://ada:5ecret@host",
        ],
    )
    def test_an_address_with_a_password_is_refused_without_it(self, text):
        with pytest.raises(UsageError, match=r"may not hold a user or a password") as caught:
            refuse_userinfo(text)
        assert "5ecret" not in str(caught.value)
        assert "ada" not in str(caught.value)

    @pytest.mark.parametrize(
        "text",
        [
            "https://host/x",
            "https://host:2880/a@b",
            "https://[::1]:2880/a@b",
            "a@b",
            "cscs:/a@b",
            "s3://b/https://ada:5ecret@host/x",
            "lst/run@2/x:y@z",
        ],
    )
    def test_other_texts_are_accepted(self, text):
        refuse_userinfo(text)
