"""The header of an alias, and the chain of aliases to a file."""

from __future__ import annotations

import pytest

from ctadata.errors import Untrusted, UsageError
from ctadata.stores.s3.alias import MAX_HOPS, redirect_location, resolve_key, target_key


@pytest.mark.parametrize(
    ("key", "location"),
    [
        ("sequence/3050", "/sequence/3050"),
        ("sequence/ga4gh:SQ.a-b_c", "/sequence/ga4gh:SQ.a-b_c"),
        ("a b/100%/q?#", "/a%20b/100%25/q%3F%23"),
        ("日本", "/%E6%97%A5%E6%9C%AC"),
        ("\udcff", "/%FF"),
        ("/leading", "/%2Fleading"),
    ],
)
def test_a_key_is_encoded_in_the_header_and_decoded_again(key, location):
    assert redirect_location(key) == location
    assert location.isascii()
    assert target_key(location) == key


def test_half_a_surrogate_pair_is_refused():
    with pytest.raises(UsageError):
        redirect_location("\ud800")


@pytest.mark.parametrize(
    "location",
    ["http://example.org/a", "https://other/a", "//other/a", "a", "", "/a?versionId=1", "/a#b", "javascript:alert(1)"],
)
def test_a_location_out_of_the_bucket_is_refused(location):
    with pytest.raises(Untrusted, match="out of its bucket"):
        target_key(location)


def test_a_location_in_an_error_holds_no_control_characters():
    with pytest.raises(Untrusted) as refused:
        target_key("\x1b[2J")
    assert "\x1b" not in str(refused.value)


def test_a_chain_of_aliases_leads_to_the_file():
    aliases = {"a": "/b", "b": "/c"}
    assert resolve_key("a", aliases.get) == "c"
    assert resolve_key("c", aliases.get) == "c"


@pytest.mark.parametrize("aliases", [{"a": "/a"}, {"a": "/b", "b": "/a"}, {"a": "/b", "b": "/c", "c": "/b"}])
def test_a_circle_of_aliases_is_refused(aliases):
    with pytest.raises(Untrusted, match="circle"):
        resolve_key("a", aliases.get)


def test_too_many_aliases_are_refused():
    with pytest.raises(Untrusted, match=f"more than {MAX_HOPS}"):
        resolve_key("0", lambda key: f"/{int(key) + 1}")
    assert resolve_key("0", lambda key: f"/{int(key) + 1}" if int(key) < MAX_HOPS else None) == str(MAX_HOPS)
