"""Links to files and directories of dCache: their paths, their lifetime, their addresses."""

from __future__ import annotations

import base64
import json
import re
import ssl
import sys
import urllib.error
import urllib.request

import pytest

from ctadata.sandbox import faults


@pytest.fixture
def place(box, place):
    """An existing directory."""
    box.files.mkdir(f"/{place}")
    return place


@pytest.fixture
def fetch(box):
    """Return the bytes of a URL, without a token."""
    context = ssl.create_default_context(cafile=str(box.ca))

    def get(url):
        with urllib.request.urlopen(url, context=context) as answer:
            return answer.read()

    return get


def test_a_link_opens_the_file_without_a_token(at_box, box, place, fetch):
    box.files.put(f"/{place}/a b", b"content")
    ended = at_box("share", f"{place}/a b", check=0)
    assert fetch(ended.out.strip()) == b"content"
    assert "everybody who has this link can use it until" in ended.err
    assert ended.out.strip() not in ended.err


def test_a_link_opens_no_other_file(at_box, box, place, fetch):
    box.files.put(f"/{place}/a", b"content")
    box.files.put(f"/{place}/b", b"other")
    link = at_box("share", f"{place}/a", check=0).out.strip()
    with pytest.raises(urllib.error.HTTPError, match="403") as refused:
        fetch(link.replace("/a?", "/b?"))
    refused.value.close()


def test_the_link_has_the_requested_limits(at_box, box, place):
    fields = json.loads(
        at_box(
            "share", "--json", "--expires", "2h", "--activity", "download,list", "--ip", "127.0.0.0/8", place, check=0
        ).out
    )
    inspected = at_box("token", "inspect", "--json", "-", stdin=fields["macaroon"].encode(), check=0)
    caveats = json.loads(inspected.out)["caveats"]
    assert caveats[-3:] == [f"path:/{place}", "activity:DOWNLOAD,LIST", "ip:127.0.0.0/8"]
    words = at_box("token", "inspect", "-", stdin=fields["macaroon"].encode(), check=0).out
    assert "download, list" in words
    assert "119 minutes from now" in words or "2 hours from now" in words


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--expires", "8d"], "cannot live longer than 7 days"),
        (["--activity", "dance"], "'dance' is not a known activity"),
        (["--expires", "soon"], "soon"),
        (["--ip", "banana"], "'banana' is not a network"),
        (["--ip", "192.0.2.0/24,", "--activity", "upload"], "'' is not a network"),
    ],
)
def test_invalid_requests_are_refused(at_box, place, options, words):
    ended = at_box("share", *options, place, check=2)
    assert words in ended.err
    assert ended.err.count("\n") == 1


def test_a_missing_file_is_not_shared_for_reading(at_box, box, place):
    box.forget_seen()
    ended = at_box("share", f"{place}/none", check=3)
    assert ended.out == ""
    assert not any(seen.method == "POST" for seen in box.seen)
    at_box("share", "--activity", "upload", f"{place}/none", check=0)


def test_a_link_cannot_outlive_the_login(at_box, box, place):
    rule = box.faults.add(
        "door", "POST", f"/{place}", faults.Status(400, "Bad", b"Bad requested caveat: before: cannot extend session")
    )
    ended = at_box("share", "--expires", "7d", place, check=2)
    rule.remove()
    assert (
        "a link cannot live longer than the login that requests it (choose a shorter time with --expires)" in ended.err
    )


def packed(*caveats):
    """Return a macaroon in the first format of libmacaroons."""
    fields = [("location", "x"), ("identifier", "x"), *(("cid", each) for each in caveats), ("signature", "x" * 32)]
    packets = b"".join(f"{len(key) + len(value) + 6:04x}{key} {value}\n".encode() for key, value in fields)
    return base64.urlsafe_b64encode(packets).decode().rstrip("=")


READS, SOON = "activity:DOWNLOAD,LIST,READ_METADATA", "before:2000-01-01T00:00:00.123456789Z"


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        (packed(SOON), 4, "lacks limits that were requested: activity"),
        (packed("activity:DOWNLOAD,DELETE", SOON), 4, "lacks limits that were requested: activity"),
        (packed(READS), 4, "were requested: ip, before"),
        (packed(READS, "before:2999-01-01T00:00:00Z"), 4, "were requested: ip, before"),
        (packed(READS, SOON), 4, "lacks limits that were requested: ip"),
        ("no macaroon\x1b[31m", 5, "sent something that is no macaroon"),
        (packed(READS, SOON) + "\r\nX: y", 5, "sent something that is no macaroon"),
        (17, 2, "gives no macaroons"),
    ],
)
def test_a_macaroon_with_too_many_rights_is_not_shown(at_box, box, place, given, code, words):
    rule = box.faults.add(
        "door", "POST", f"/{place}", faults.Status(200, "OK", json.dumps({"macaroon": given}).encode())
    )
    ended = at_box("share", "--ip", "192.0.2.0/24", place, check=code)
    rule.remove()
    assert words in ended.err
    assert ended.out == ""
    assert "\x1b" not in ended.err


def test_a_door_without_macaroons_is_an_error(at_box, box, place):
    rule = box.faults.add("door", "POST", f"/{place}", faults.Status(501, "Not Implemented"))
    assert "the server refuses the macaroon" in at_box("share", place, check=2).err
    rule.remove()


@pytest.mark.parametrize(
    ("rows", "end", "drawn"), [(100, "", True), (24, "", False), (24, " --qr", True), (100, " > link", False)]
)
def test_a_terminal_with_room_shows_a_qr_code_above_the_link(at_box, box, place, rows, end, drawn):
    command = ["/bin/sh", "-c", f'{sys.executable} -m ctadata share "$1"{end}', "sh", place]
    terminal = at_box.terminal(command=command, columns=200, rows=rows)
    assert terminal.end() == 0
    assert bool(re.search("[▀▄█]{5}", terminal.text)) == drawn
    if end != " > link":
        assert terminal.text.rindex("https://") > max(map(terminal.text.rfind, "▀▄█"))
