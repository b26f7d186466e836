"""Logins and rights at the door: tokens, the cache of logins, scopes and homes (dcache.md 3, 6)."""

import pytest

HOME = "/lst/users/ada"
EXPECT_NOTHING = (401, b"")


def with_token(call, token, method="HEAD", path="/lst/"):
    return call.bare(method, call.box.door + path, headers={"Authorization": f"Bearer {token}"})


def refused(reply):
    return (reply.status, reply.reason, reply.body) == (401, "login failed", b"")


def test_without_a_credential(box, call):
    reply = call.bare("GET", box.door + "/lst/")
    assert (reply.status, reply.reason, reply.body) == (401, "login failed", b"")
    assert reply["WWW-Authenticate"] == 'Basic realm=""'


def test_the_challenge_can_be_suppressed(box, call):
    reply = call.bare("GET", box.door + "/", headers={"Suppress-WWW-Authenticate": "yes"})
    assert (reply["WWW-Authenticate"], reply["Suppress-WWW-Authenticate"]) == (None, "suppressed")


def test_a_token_in_the_header_or_in_the_query(box, call):
    token = box.token()
    assert with_token(call, token).status == 200
    assert call.bare("HEAD", f"{box.door}/lst/?authz={token}").status == 200
    assert call.bare("HEAD", box.door + "/lst/", headers={"Authorization": f"BEARER {token}"}).status == 200


def test_two_tokens(box, call):
    one, other = box.token(), box.token(jti="other")
    headers = {"Authorization": f"Bearer {one}"}
    assert refused(call.bare("GET", f"{box.door}/lst/?authz={other}", headers=headers))
    assert call.bare("HEAD", f"{box.door}/lst/?authz={one}", headers=headers).status == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"lifetime": -1},
        {"issuer": "https://localhost/realms/other"},
        {"aud": "somebody-else"},
        {"preferred_username": None, "email": None},
        {"nbf": 4_000_000_000},
    ],
    ids=["expired", "issuer", "audience", "unmapped", "not-yet"],
)
def test_the_reason_of_a_refused_token_is_not_given(box, call, claims):
    reply = with_token(call, box.token(**claims))
    assert refused(reply)
    assert "Bearer" not in str(reply.headers)


def test_a_user_goes_by_email_where_there_is_no_name(box, call):
    token = box.token(preferred_username=None)
    assert with_token(call, token).status == 200
    assert with_token(call, token, "MKCOL", f"{HOME}/x").status == 403


def test_a_forged_token(make_box, box, call):
    assert refused(with_token(call, make_box().token(issuer=box.issuer)))
    assert refused(with_token(call, "nonsense"))
    assert refused(with_token(call, "a.b.c"))


def test_other_schemes_fail(box, call):
    assert refused(call.bare("GET", box.door + "/", headers={"Authorization": "Basic YWRhOng="}))


def test_rs256(make_box, make_caller):
    box = make_box(algorithm="RS256")
    assert with_token(make_caller(box), box.token()).status == 200


def test_a_good_login_is_remembered_for_ten_minutes(make_box, make_caller, clock):
    box = make_box(clock=clock)
    call, token = make_caller(box), box.token(lifetime=60)
    assert with_token(call, token).status == 200
    clock.advance(599)
    assert with_token(call, token).status == 200
    clock.advance(2)
    assert with_token(call, token).status == 401


def test_a_bad_login_is_remembered_too(make_box, make_caller, clock):
    box = make_box(clock=clock)
    call, token = make_caller(box), box.token(nbf=clock() + 10)
    assert with_token(call, token).status == 401
    clock.advance(11)
    assert with_token(call, token).status == 401
    box.restart_door()
    assert with_token(call, token).status == 200


def test_users_read_everywhere_and_write_at_home(box, call):
    box.files.put("/lst/shared/file", b"x")
    box.files.put("/lst/users/bo/file", b"x")
    assert call.door("GET", "/lst/shared/file").status == 302
    assert call.door("GET", "/lst/users/bo/file").status == 302
    denied = call.door("PUT", "/lst/shared/new", b"x")
    assert (denied.status, denied.reason) == (403, "Forbidden")
    assert denied.body == b"Permission denied for PUT on path /lst/shared/new\n"
    assert call.door("DELETE", "/lst/shared/file").status == 403
    assert call.door("MKCOL", "/lst/users/bo/d").status == 403
    assert call.door("PUT", "/lst/users/ada2/x", b"x").status == 403
    assert call.door("PUT", f"{HOME}/x", b"x").status == 201
    out = {"Destination": "/lst/shared/x"}
    assert call.door("MOVE", f"{HOME}/x", headers=out).status == 403


def test_homes_are_made_for_all_users(make_box, make_caller):
    box = make_box(user="eve", users=["bo"], home=("cta/users/{user}", "lst/users/{user}"))
    assert box.files.tree() == ["/cta/", "/cta/users/", "/cta/users/bo/", "/cta/users/eve/"]
    call = make_caller(box)
    assert call.bare("PUT", box.door + "/cta/users/bo/x", b"x", call.bearer).status == 403
    assert call.bare("MKCOL", box.door + "/cta/users/eve/x", None, call.bearer).status == 201


def test_a_sandbox_that_lets_everyone_write(make_box, make_caller):
    call = make_caller(make_box(write_anywhere=True))
    assert call.door("PUT", "/anywhere/x", b"x").status == 201


@pytest.mark.parametrize(
    ("scope", "statuses"),
    [
        ("openid", (207, 302, 201, 201, 204)),
        ("storage.read:/", (207, 302, 403, 403, 403)),
        ("storage.create:/", (403, 403, 403, 201, 403)),
        ("storage.modify:/", (207, 403, 201, 201, 204)),
        ("storage.read:/lst/users/ada storage.create:/lst/users/ada", (207, 302, 403, 201, 403)),
        ("storage.read:/elsewhere", (403, 403, 403, 403, 403)),
    ],
)
def test_scopes_become_activities(box, call, scope, statuses):
    box.files.put(f"{HOME}/old", b"x")
    token = {"Authorization": f"Bearer {box.token(scope=scope)}"}
    steps = [("PROPFIND", HOME), ("GET", f"{HOME}/old"), ("PUT", f"{HOME}/old"), ("PUT", f"{HOME}/new")]
    requests = [*steps, ("DELETE", f"{HOME}/old")]
    actual = [call.bare(m, box.door + path, b"x" if m == "PUT" else None, token).status for m, path in requests]
    assert tuple(actual) == statuses


def test_scopes_of_a_plain_token_restrict_nothing(box, call):
    token = box.token(scope="storage.read:/", **{"wlcg.ver": None})
    assert with_token(call, token, "MKCOL", f"{HOME}/x").status == 201


def test_a_pool_transfer_outlives_the_token(make_box, make_caller, clock):
    box = make_box(clock=clock)
    call = make_caller(box)
    ticket = call.upload_ticket(f"{HOME}/x", {"Content-Length": "1"})
    clock.advance(290)
    box.restart_door()
    assert call.bare("PUT", ticket, b"x").status == 201


def test_the_frontend_knows_the_home(box, call):
    import json

    reply = call.bare("GET", box.frontend + "/api/v1/user", headers=call.bearer)
    user = json.loads(reply.body)
    assert (reply.status, reply["Content-Type"]) == (200, "application/json")
    assert (user["status"], user["username"]) == ("AUTHENTICATED", "ada")
    assert (user["homeDirectory"], user["rootDirectory"]) == (HOME, "/")


def test_errors_of_the_frontend(box, call):
    import json

    reply = call.bare("GET", box.frontend + "/api/v1/other", headers=call.bearer)
    assert (reply.status, json.loads(reply.body)["status"]) == (404, "404")
    assert set(json.loads(reply.body)) == {"status", "title", "detail"}
    nobody = call.bare("GET", box.frontend + "/api/v1/user")
    assert (nobody.status, nobody.reason, nobody.body) == (401, "login failed", b"")
    expired = {"Authorization": f"Bearer {box.token(lifetime=-1)}"}
    assert call.bare("GET", box.frontend + "/api/v1/user", headers=expired).status == 401
