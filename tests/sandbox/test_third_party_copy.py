"""COPY between two sandboxes: pulled, pushed, refused at once, failed in the last line, cancelled."""

import json

import pytest

from ctadata.sandbox import faults

HOME = "/lst/users/ada"
MIB = 1 << 20


@pytest.fixture
def other(make_box, box):
    other = make_box()
    box.trust(other)
    return other


def macaroon(box, make_caller, path, activity):
    kind = {"Content-Type": "application/macaroon-request"}
    body = json.dumps({"caveats": [f"activity:{activity}"]}).encode()
    return json.loads(make_caller(box).door("POST", path, body, kind).body)["macaroon"]


@pytest.fixture
def copy(box, other, call, make_caller):
    """Return the function `copy(path, there, pull=True, **headers)`, which copies `there` at `other` by COPY."""

    def ask(path, there, *, pull=True, activity=None, **headers):
        token = macaroon(other, make_caller, there, activity or ("DOWNLOAD" if pull else "UPLOAD,READ_METADATA,DELETE"))
        side = {"Source" if pull else "Destination": other.door + there}
        carried = {"Credential": "none", "TransferHeaderAuthorization": f"Bearer {token}"}
        return call.door("COPY", path, headers={**side, **carried, **headers})

    return ask


def test_a_pull_copies_the_file(box, other, copy):
    other.files.put(f"{HOME}/a", b"x" * MIB)
    reply = copy(f"{HOME}/b", f"{HOME}/a")
    assert (reply.status, reply["Content-Type"]) == (202, "text/perf-marker-stream")
    assert reply.body.splitlines()[-1] == b"success: Created"
    assert box.files.read(f"{HOME}/b") == b"x" * MIB


def test_a_push_copies_the_file(box, other, copy):
    box.files.put(f"{HOME}/a", b"content")
    assert copy(f"{HOME}/a", f"{HOME}/b", pull=False).body == b"success: Created\n"
    assert other.files.read(f"{HOME}/b") == b"content"


def test_the_login_goes_to_the_other_door_and_not_to_its_pools(other, copy):
    other.files.put(f"{HOME}/a", b"x")
    copy(f"{HOME}/b", f"{HOME}/a")
    door, pool = [seen for seen in other.seen if seen.method == "GET"]
    assert (door.server, door.header("Authorization")[:7]) == ("door", "Bearer ")
    assert (pool.server[:4], pool.header("Authorization")) == ("pool", None)


def test_markers_show_the_bytes_moved(make_box, make_caller):
    box, other = make_box(marker_interval=0.01), make_box()
    box.trust(other)
    other.files.put(f"{HOME}/a", b"x" * (2 * MIB))
    stall = other.faults.add("pool", "GET", f"{HOME}/a", faults.Stall(after=MIB))
    token = macaroon(other, make_caller, f"{HOME}/a", "DOWNLOAD")
    call = make_caller(box)
    headers = {"Source": f"{other.door}{HOME}/a", "Credential": "none"}
    headers["TransferHeaderAuthorization"] = f"Bearer {token}"
    connection = call.connection(box.door)
    connection.request("COPY", f"{HOME}/b", headers={**call.bearer, **headers})
    response = connection.getresponse()
    text = b""
    while b"Stripe Bytes Transferred: 1048576\n" not in text:
        text += response.readline()
    stall.release()
    text += response.read()
    assert text.count(b"Perf Marker\n") == text.count(b"End\n") > 0
    assert text.endswith(b"success: Created\n")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (faults.Cut(after=10), b"failure: truncated transfer: 10 of 1000 bytes"),
        (faults.Flip(), b"failure: checksum verification failed"),
        (faults.Status(500, "Broken"), b"failure: rejected GET: 500 Broken"),
    ],
)
def test_the_last_line_names_a_failure_that_leaves_nothing(box, other, copy, fault, words):
    other.files.put(f"{HOME}/a", b"x" * 1000)
    other.faults.add("pool", "GET", f"{HOME}/a", fault)
    reply = copy(f"{HOME}/b", f"{HOME}/a")
    assert reply.status == 202
    assert reply.body.splitlines()[-1].startswith(words)
    assert not box.files.exists(f"{HOME}/b")


def test_a_push_that_is_rejected(box, other, copy):
    box.files.put(f"{HOME}/a", b"x")
    reply = copy(f"{HOME}/a", f"{HOME}/b", pull=False, activity="LIST")
    assert reply.body == b"failure: rejected PUT: 403 Forbidden\n"


def test_an_invalid_copy_is_refused_at_once(box, other, call, copy):
    other.files.put(f"{HOME}/a", b"x")
    box.files.put(f"{HOME}/there", b"old")
    refusals = {
        400: call.door("COPY", f"{HOME}/b"),
        404: copy(f"{HOME}/none", f"{HOME}/b", pull=False),
        401: copy("/lst/shared/b", f"{HOME}/a"),
        501: call.door("COPY", f"{HOME}/a", headers={"Destination": f"{HOME}/b"}),
    }
    assert {status: reply.status for status, reply in refusals.items()} == {status: status for status in refusals}
    assert refusals[404].reason == "no such file"
    assert copy(f"{HOME}/nowhere/b", f"{HOME}/a").status == 400
    assert copy(f"{HOME}/there", f"{HOME}/a", Overwrite="F").status == 500
    assert copy(f"{HOME}/b", f"{HOME}/a", Credential="oidc").reason == "Error performing OpenId-Connect delegation"
    assert copy(f"{HOME}/b", f"{HOME}/a", Credential="x").status == 400
    assert box.files.read(f"{HOME}/there") == b"old"


def test_a_copy_deletes_the_old_file_first(box, other, copy):
    """dCache does so too, which is why the client copies to a temporary name."""
    other.files.put(f"{HOME}/a", b"new")
    box.files.put(f"{HOME}/b", b"old")
    other.faults.add("door", "GET", f"{HOME}/a", faults.Status(500, "Broken"), times=1)
    copy(f"{HOME}/b", f"{HOME}/a")
    assert not box.files.exists(f"{HOME}/b")
    copy(f"{HOME}/b", f"{HOME}/a")
    assert box.files.read(f"{HOME}/b") == b"new"


def copy_until_reached(box, call, path, stall, **headers):
    """Begin a COPY, and disconnect when `stall` is reached; `box` has then ended its threads."""
    wire = call.head("COPY", f"{box.door}{path}", {**call.bearer, "Credential": "none", **headers})
    assert stall.reached.wait(60)
    wire.close()
    box.close()  # waits for its threads; its connection to the other server is closed


def test_a_client_that_disconnects_cancels_the_copy(make_box, make_caller):
    box, other = make_box(marker_interval=0.01), make_box()
    box.trust(other)
    other.files.put(f"{HOME}/a", b"x" * (2 * MIB))
    stall = other.faults.add("pool", "GET", f"{HOME}/a", faults.Stall(after=MIB))
    token = f"Bearer {macaroon(other, make_caller, f'{HOME}/a', 'DOWNLOAD')}"
    headers = {"Source": f"{other.door}{HOME}/a", "TransferHeaderAuthorization": token}
    copy_until_reached(box, make_caller(box), f"{HOME}/b", stall, **headers)
    assert not box.files.exists(f"{HOME}/b")


def test_a_client_that_disconnects_cancels_the_copy_to_another_server(make_box, make_caller):
    box, other = make_box(marker_interval=0.01), make_box()
    box.trust(other)
    box.files.put(f"{HOME}/a", b"x" * (32 * MIB))
    stall = other.faults.add("door", "PUT", f"{HOME}/b", faults.Delay())
    token = f"Bearer {macaroon(other, make_caller, f'{HOME}/b', 'UPLOAD,READ_METADATA,DELETE')}"
    headers = {"Destination": f"{other.door}{HOME}/b", "TransferHeaderAuthorization": token}
    copy_until_reached(box, make_caller(box), f"{HOME}/a", stall, **headers)
    assert not other.files.exists(f"{HOME}/b")


def test_a_site_that_is_not_trusted(make_box, make_caller):
    box, other = make_box(), make_box()
    other.files.put(f"{HOME}/a", b"x")
    headers = {"Source": f"{other.door}{HOME}/a", "Credential": "none"}
    assert b"failure: " in make_caller(box).door("COPY", f"{HOME}/b", headers=headers).body
