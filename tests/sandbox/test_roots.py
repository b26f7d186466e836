"""A user whose root is a directory of the storage (dcache.md 6): every path starts there, at the door and in REST."""

import json

import pytest

from ctadata.config.resolve import resolve_profile
from ctadata.session import Session

ROOT, HOME = "/site/cta", "/users/ada"


@pytest.fixture
def box(make_box):
    return make_box(users=["bob"], home=["users/{user}"], roots={"ada": ROOT})


@pytest.fixture
def call(box, make_caller):
    return make_caller(box)


def test_the_door_puts_the_root_before_every_path(box, call):
    box.files.put("/outside", b"x")
    assert call.door("PUT", f"{HOME}/a", b"content").status == 201
    assert box.files.read(f"{ROOT}{HOME}/a") == b"content"
    listing = call.door("PROPFIND", HOME, headers={"Depth": "1"}).body.decode()
    assert f"<d:href>{HOME}/a</d:href>" in listing
    assert ROOT not in listing
    assert call.door("GET", "/outside").status == 404
    assert call.door("GET", f"{ROOT}{HOME}/a").status == 404


def test_a_pool_serves_by_the_path_that_the_door_was_asked_for(box, call):
    box.files.put(f"{ROOT}{HOME}/a", b"content")
    location = call.door("GET", f"{HOME}/a")["Location"]
    assert f"{HOME}/a?" in location
    assert ROOT not in location
    assert call.bare("GET", location).body == b"content"


def test_rest_names_root_and_home(box, call):
    told = json.loads(call.bare("GET", f"{box.frontend}/api/v1/user", headers=call.bearer).body)
    assert (told["rootDirectory"], told["homeDirectory"]) == (ROOT, HOME)
    box.files.put(f"{ROOT}{HOME}/a", b"content")
    told = json.loads(call.bare("GET", f"{box.frontend}/api/v1/namespace{HOME}/a", headers=call.bearer).body)
    assert told["size"] == 7


def test_another_user_sees_it_from_the_top(box, call):
    box.files.put(f"{ROOT}{HOME}/a", b"content")
    reply = call.bare("HEAD", f"{box.door}{ROOT}{HOME}/a", headers={"Authorization": f"Bearer {box.token('bob')}"})
    assert reply.status == 200


def test_the_client_finds_home_through_rest(box, tmp_path):
    config, token = tmp_path / "config.toml", tmp_path / "token"
    lines = box.profile_toml().splitlines()
    config.write_text("\n".join(line for line in lines if not line.startswith("home")))
    token.touch(mode=0o600)
    token.write_text(box.token())
    env = {"CTADATA_CONFIG": str(config)}
    (tmp_path / "up").write_bytes(b"content")
    with Session.open(resolve_profile("sandbox", env=env), token_file=token, env=env) as session:
        assert str(session.home) == HOME
        assert session.put([str(tmp_path / "up")], "home:a").done == 1
        (entry,) = session.find("home:a")
        assert str(entry.path) == f"{HOME}/a"
    assert box.files.read(f"{ROOT}{HOME}/a") == b"content"
