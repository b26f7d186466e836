"""Macaroons: requested at the door, accepted by the door (dcache.md 3)."""

import base64
import json

import pytest

HOME = "/lst/users/ada"
REQUEST = {"Content-Type": "application/macaroon-request"}


def ask(call, path, **body):
    return call.door("POST", path, json.dumps(body).encode() if body else b"", REQUEST)


def macaroon(call, path, **body):
    reply = ask(call, path, **body)
    assert reply.status == 200, reply
    return json.loads(reply.body)["macaroon"]


def use(call, token, method, path, body=None):
    return call.bare(method, call.box.door + path, body, {"Authorization": f"Bearer {token}"})


def test_the_response_holds_the_macaroon_and_its_urls(box, call):
    reply = ask(call, HOME)
    answer = json.loads(reply.body)
    assert reply["Content-Type"] == "application/json"
    assert answer["uri"] == {
        "target": box.door + HOME,
        "targetWithMacaroon": f"{box.door}{HOME}?authz={answer['macaroon']}",
        "base": box.door + "/",
        "baseWithMacaroon": f"{box.door}/?authz={answer['macaroon']}",
    }


def test_a_macaroon_has_format_version_1(call):
    token = macaroon(call, HOME, caveats=["activity:LIST"])
    data = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    assert data[4:13] == b"location "
    assert f"cid path:{HOME}\n".encode() in data
    assert b"cid activity:LIST\n" in data
    assert b"cid before:" in data


def test_a_macaroon_allows_what_its_owner_may_do(box, call):
    token = macaroon(call, HOME)
    assert use(call, token, "PUT", f"{HOME}/x", b"x").status == 201
    assert use(call, token, "DELETE", f"{HOME}/x").status == 204
    assert call.bare("MKCOL", f"{box.door}{HOME}/d?authz={token}").status == 201


def test_the_path_of_the_request_is_a_caveat(box, call):
    box.files.put("/lst/shared/file", b"x")
    token = macaroon(call, HOME)
    assert use(call, token, "GET", "/lst/shared/file").status == 403
    assert use(call, macaroon(call, "/lst/shared"), "GET", "/lst/shared/file").status == 302


def test_a_macaroon_never_allows_more_than_its_owner_may_do(call):
    assert use(call, macaroon(call, "/"), "PUT", "/lst/x", b"x").status == 403


def test_activities_limit_a_macaroon(box, call):
    box.files.put(f"{HOME}/x", b"x")
    token = macaroon(call, HOME, caveats=["activity:DOWNLOAD,LIST"])
    assert use(call, token, "GET", f"{HOME}/x").status == 302
    assert use(call, token, "DELETE", f"{HOME}/x").status == 403


def test_a_path_caveat_is_relative_to_the_path_of_the_url(box, call):
    token = macaroon(call, HOME, caveats=["path:/inner"])
    assert use(call, token, "PUT", f"{HOME}/inner/x", b"x").status == 201
    assert use(call, token, "PUT", f"{HOME}/x", b"x").status == 403


def test_a_macaroon_is_limited_to_addresses(call):
    for networks in ("127.0.0.0/8", "192.0.2.0/24, 127.0.0.1"):
        assert use(call, macaroon(call, HOME, caveats=[f"ip:{networks}"]), "HEAD", HOME).status == 200


@pytest.mark.parametrize("networks", ["192.0.2.0/24", "banana"])
def test_a_macaroon_for_other_addresses_is_refused(call, networks):
    denied = use(call, macaroon(call, HOME, caveats=[f"ip:{networks}"]), "HEAD", HOME)
    assert (denied.status, denied.reason.partition(":")[0]) == (401, "macaroon login denied")


@pytest.mark.parametrize(("validity", "seconds"), [("PT5M", 300), ("PT1H30S", 3630), ("P1DT1H", 90000)])
def test_a_macaroon_expires(make_box, make_caller, clock, validity, seconds):
    box = make_box(clock=clock)
    call = make_caller(box)
    token = macaroon(call, HOME, validity=validity)
    clock.advance(seconds - 1)
    assert use(call, token, "HEAD", HOME).status == 200
    clock.advance(2)
    box.restart_door()
    assert use(call, token, "HEAD", HOME).reason == "macaroon login denied: expired"


def test_a_lifetime_above_a_week_is_refused(call):
    assert ask(call, HOME, validity="P8D").status == 400


def test_a_changed_macaroon_is_refused(call):
    token = macaroon(call, HOME, caveats=["activity:LIST"])
    data = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).replace(b"activity:LIST", b"activity:DELE")
    forged = base64.urlsafe_b64encode(data).decode().rstrip("=")
    assert use(call, forged, "HEAD", HOME).reason == "macaroon login denied: Invalid signature"


def test_a_macaroon_needs_a_login(box, call):
    assert call.bare("POST", box.door + HOME, b"", REQUEST).status == 401


def test_a_body_that_is_no_json_is_refused(call):
    reply = call.door("POST", HOME, b"{", REQUEST)
    assert (reply.status, reply.body) == (400, b"")


def test_other_posts_are_not_implemented(call):
    assert call.door("POST", HOME, b"", {"Content-Type": "application/json"}).status == 501
