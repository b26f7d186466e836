"""Links to files and directories of dCache: their paths, their lifetime, their addresses."""

from __future__ import annotations

import json
import re
import ssl
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest
from servers.macaroons import packed

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


READS, FROM, ENDED = "activity:DOWNLOAD,LIST,READ_METADATA", "ip:192.0.2.0/24", "before:2000-01-01T00:00:00.123456789Z"
SOON = f"before:{datetime.now(UTC) + timedelta(days=6):%Y-%m-%dT%H:%M:%S.%f}000Z"


def share_given(at_box, box, place, given, code):
    """Share `place` at a door that gives this as its macaroon."""
    rule = box.faults.add(
        "door", "POST", f"/{place}", faults.Status(200, "OK", json.dumps({"macaroon": given}).encode())
    )
    ended = at_box("share", "--expires", "7d", "--ip", "192.0.2.0/24", place, check=code)
    rule.remove()
    return ended


@pytest.mark.parametrize(
    ("caveats", "code", "words"),
    [
        (["path:/{place}", FROM, SOON], 4, "requested: activity ("),
        (["activity:DOWNLOAD,DELETE", "path:/{place}", FROM, SOON], 4, "requested: activity ("),
        ([READS, "path:/{place}", SOON], 4, "requested: ip ("),
        ([READS, "path:/{place}"], 4, "requested: ip, before ("),
        ([READS, "path:/{place}", "before:2999-01-01T00:00:00Z"], 4, "requested: ip, before ("),
        ([READS, FROM, SOON], 4, "requested: path ("),
        ([READS, "path:/", FROM, SOON], 4, "requested: path ("),
        ([READS, "path:/lst/users", FROM, SOON], 4, "requested: path ("),
        ([READS, "path:/{place}2", FROM, SOON], 4, "requested: path ("),
        ([READS, "path:/{place}/..", FROM, SOON], 4, "requested: path ("),
        ([READS, "root:/{place}", FROM, SOON], 4, "requested: path ("),
        ([READS, "path:/x", "path:/{place}", FROM, SOON], 4, "requested: path ("),
        ([READS, "path:/{place}", FROM, ENDED], 5, "a macaroon that has expired already"),
        ([READS, "path:/{place}", FROM, SOON, ENDED], 5, "a macaroon that has expired already"),
    ],
)
def test_a_macaroon_with_too_many_rights_is_not_shown(at_box, box, place, caveats, code, words):
    ended = share_given(at_box, box, place, packed(*(each.format(place=place) for each in caveats)), code)
    assert words in ended.err
    assert ended.out == ""


@pytest.mark.parametrize(
    "caveats",
    [
        ["iid:x", "id:1;1;ada", SOON, "home:/lst/users/ada", "path:/{place}", READS, FROM],
        [SOON, "root:/pnfs/example.org", "home:/lst", "path:/{place}", READS, FROM],
        [SOON, "path:/lst", "path:/{rest}", READS, FROM],
        [SOON, "path:/lst", "path:{rest}", READS, FROM],
        [SOON, "path:/{place}/below", READS, FROM],
        [SOON, "path:Optional[/{place}]", READS, FROM],
    ],
)
def test_a_macaroon_that_opens_no_more_than_the_path_is_shown(at_box, box, place, caveats):
    """A path is relative to those before it, and to the user's root as the path in a URL is."""
    rest = place.removeprefix("lst/")
    given = packed(*(each.format(place=place, rest=rest) for each in caveats))
    assert share_given(at_box, box, place, given, 0).out.endswith(f"/{place}?authz={given}\n")


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        ("no macaroon\x1b[31m", 5, "sent something that is no macaroon"),
        (packed(READS, SOON) + "\r\nX: y", 5, "sent something that is no macaroon"),
        (17, 2, "gives no macaroons"),
    ],
)
def test_what_is_no_macaroon_is_not_shown(at_box, box, place, given, code, words):
    ended = share_given(at_box, box, place, given, code)
    assert words in ended.err
    assert ended.out == ""
    assert "\x1b" not in ended.err


def test_the_macaroon_of_a_user_who_may_see_one_tree_is_limited_to_the_path(at_box, box, place):
    """Such a dCache limits the macaroon to the tree, and a caveat of a second request to the path."""
    name, wide = place.rpartition("/")[2], [READS, "path:/lst/users/ada", FROM, SOON]
    narrow = packed(*wide, f"path:/{name}")
    answers = [json.dumps({"macaroon": given}).encode() for given in (packed(*wide), narrow)]
    box.forget_seen()
    given = [faults.Status(200, "OK", body) for body in answers]
    rules = [box.faults.add("door", "POST", f"/{place}", each, skip=i, times=1) for i, each in enumerate(given)]
    ended = at_box("share", "--expires", "7d", "--ip", "192.0.2.0/24", place, check=0)
    for rule in rules:
        rule.remove()
    assert ended.out.endswith(f"?authz={narrow}\n")
    assert sum(seen.method == "POST" for seen in box.seen) == 2


def test_a_path_that_ends_with_a_space_is_shared(at_box, box, place, fetch):
    box.files.put(f"/{place}/a ", b"content")
    assert fetch(at_box("share", f"{place}/a ", check=0).out.strip()) == b"content"


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
