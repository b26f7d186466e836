"""The facts about a token: about a JWT, about a macaroon in both formats, about any other text."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctadata.errors import ConfigError
from ctadata.tokens.inspection import describe_token, token_as_json
from ctadata.tokens.macaroon import Macaroon

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def jwt(**claims: object) -> str:
    return ".".join(b64(json.dumps(part).encode()) for part in ({"alg": "ES256"}, claims)) + ".c2ln"


def packet(key: str, value: bytes) -> bytes:
    return f"{len(key) + len(value) + 6:04x}{key} ".encode() + value + b"\n"


def first_format(*caveats: bytes) -> str:
    fields = [("location", b"https://door.example:2880"), ("identifier", b"a1b2")]
    fields += [("cid", caveat) for caveat in caveats] + [("signature", b"\xf5" * 32)]
    return b64(b"".join(packet(key, value) for key, value in fields))


def second_format(*caveats: bytes) -> str:
    def field(kind: int, value: bytes) -> bytes:
        size = bytes([len(value)]) if len(value) < 128 else bytes([len(value) & 0x7F | 0x80, len(value) >> 7])
        return bytes([kind]) + size + value

    data = b"\x02" + field(1, b"https://door.example:2880") + field(2, b"a1b2") + b"\0"
    data += b"".join(field(2, caveat) + b"\0" for caveat in caveats)
    return b64(data + b"\0" + field(6, b"\xf5" * 32))


def said(text: str) -> list[tuple[str, str]]:
    return list(describe_token(text, NOW))


class TestJWT:
    def test_issuer_subject_audience_and_times(self):
        facts = said(jwt(iss="https://issuer.example/realms/cta/", sub="f:1", aud=["a", "b"], exp=NOW + 7200))
        assert facts[1:] == [
            ("issuer", "https://issuer.example/realms/cta/"),
            ("subject", "f:1"),
            ("audience", "a, b"),
            ("expires", "2027-01-15T10:00:00Z, 2 hours from now"),
        ]

    def test_missing_claims(self):
        assert said(jwt(sub="x"))[2:] == [("audience", "anybody"), ("expires", "never, or it does not say when")]

    def test_an_expired_token(self):
        assert ("expires", "2027-01-15T07:55:00Z, 5 minutes ago") in said(jwt(exp=NOW - 300))

    def test_scopes_are_explained(self):
        facts = said(jwt(scope="openid storage.create:/lst/users/ada compute.read"))
        assert ("scope", "openid: who you are") in facts
        assert (
            "scope",
            "storage.create:/lst/users/ada: upload what is new; not list, replace or delete, below /lst/users/ada",
        ) in facts
        assert ("scope", "compute.read") in facts

    def test_groups_and_other_claims(self):
        facts = said(jwt(**{"wlcg.groups": ["/cta", "/cta/lst"], "azp": "some-client"}))
        assert [words for name, words in facts if name == "group"] == ["/cta", "/cta/lst"]
        assert ("azp", "some-client") in facts

    def test_claims_that_are_no_times(self):
        assert ("expires", "at a time that cannot be read") in said(jwt(exp="soon"))


@pytest.mark.parametrize("form", [first_format, second_format])
class TestMacaroon:
    def test_its_limits_are_explained(self, form):
        facts = said(
            form(
                b"path:/lst/a", b"activity:DOWNLOAD,LIST", b"before:2027-01-16T08:00:00.000Z", b"ip:192.0.2.0/24", b"x"
            )
        )
        assert facts[1:] == [
            ("door", "https://door.example:2880"),
            ("identifier", "a1b2"),
            ("only below", "/lst/a"),
            ("may be used to", "download, list"),
            ("ends", "2027-01-16T08:00:00Z, 24 hours from now"),
            ("only from", "192.0.2.0/24"),
            ("caveat", "x"),
        ]

    def test_a_macaroon_without_an_end(self, form):
        assert ("ends", "never, or it does not say when") in said(form())

    def test_a_long_caveat(self, form):
        caveat = b"path:/" + b"a" * 300
        assert Macaroon.parse(form(caveat)).caveats == (caveat.decode(),)

    def test_as_json(self, form):
        assert token_as_json(form(b"a:b")) == {
            "kind": "macaroon",
            "location": "https://door.example:2880",
            "identifier": "a1b2",
            "caveats": ["a:b"],
        }


RECORDED = (
    "MDAzNGxvY2F0aW9uIE9wdGlvbmFsWy9sc3QvdXNlcnMvYWRhL3dpcmUvZXhwMi50eHRdCjAwMThpZGVudGlmaWVyIGZobmc3WHMxCjAwMTVjaWQg"
    "aWlkOjBLS3JEYmNVCjAwMTljaWQgaWQ6MTAwMDsxMDAwO2FkYQowMDJlY2lkIGJlZm9yZToyMDI2LTExLTI4VDIwOjA4OjU3Ljk3MTU4NDIwN1oKMDAx"
    "Y2NpZCBob21lOi9sc3QvdXNlcnMvYWRhCjAwMmFjaWQgcGF0aDovbHN0L3VzZXJzL2FkYS93aXJlL2V4cDIudHh0CjAwMWZjaWQgYWN0aXZpdHk6RE9X"
    "TkxPQUQsTElTVAowMDJmc2lnbmF0dXJlIKMuk7ga7SpP-OHRmQMYynUF-o_EHS_eNjRXnLwetNLwCg"
)
"""A macaroon that dCache 11.2.5 made for `/lst/users/ada/wire/exp2.txt`; it has expired."""


def test_a_macaroon_recorded_from_dcache():
    facts = said(RECORDED)
    assert ("made for", "/lst/users/ada/wire/exp2.txt") in facts
    assert ("issue number", "0KKrDbcU") in facts
    assert not any("Optional" in words for _, words in facts)
    assert token_as_json(RECORDED)["location"] == "/lst/users/ada/wire/exp2.txt"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Optional[/a b/ü]", "/a b/ü"), ("Optional[]", ""), ("Optional.empty", ""), ("Optional[[x]]", "[x]"),
        ("root:Optional[/x]", "root:/x"), ("path:/Optional[/x]", "path:/Optional[/x]"), ("Optional[x", "Optional[x"),
        ("root:Optional.empty", "root:"), ("Optional[/a\n/b]", "/a\n/b"), ("an Optional[/x]", "an Optional[/x]"),
    ],
)  # fmt: skip
def test_a_printed_java_optional_is_unwrapped(written, read):
    assert Macaroon.parse(first_format(written.encode())).caveats == (read,)
    assert Macaroon.parse(second_format(written.encode())).caveats == (read,)


def test_an_opaque_one():
    assert said("abc123") == [("kind", "opaque: only its issuer knows what it says")]
    assert token_as_json("abc123") == {"kind": "opaque"}


@pytest.mark.parametrize("text", ["", "  \n", "two words"])
def test_an_empty_text_is_refused(text):
    with pytest.raises(ConfigError):
        said(text)


@given(st.binary(max_size=80))
def test_any_text_is_opaque_or_explained(data):
    assert Macaroon.parse(b64(data)) is None or b"signature" in data or data[:1] == b"\x02"
    assert said(b64(b"\x02" + data) or "x")
