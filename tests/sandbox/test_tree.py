"""MKCOL, DELETE, MOVE, OPTIONS and unknown methods (dcache.md 0, 1.7)."""

import pytest

from ctadata.sandbox import faults

HOME = "/lst/users/ada"


def test_mkcol(box, call):
    box.files.put(f"{HOME}/file")
    made = [call.door("MKCOL", HOME + path).status for path in ("/new", "/new", "/file", "/no/parent", "/file/below")]
    assert made == [201, 405, 405, 409, 409]
    assert f"{HOME}/new/" in box.files.tree()


def test_the_body_of_405(box, call):
    box.files.mkdir(f"{HOME}/d")
    reply = call.door("MKCOL", f"{HOME}/d")
    assert reply.body == b"Method MKCOL is not allowed.\n"


def test_delete_of_a_file(box, call):
    box.files.put(f"{HOME}/file")
    assert call.door("DELETE", f"{HOME}/file").status == 204
    assert call.door("DELETE", f"{HOME}/file").status == 404
    assert not box.files.exists(f"{HOME}/file")


def test_delete_of_a_directory_takes_all_in_it(box, call):
    box.files.put(f"{HOME}/a/b/c", b"x")
    assert call.door("DELETE", f"{HOME}/a").status == 204
    assert box.files.tree(HOME) == []
    assert [path.name for path in box.ca.parent.iterdir()] == ["ca.pem"]


def test_delete_of_a_directory_that_cannot_be_listed_takes_nothing(box, call):
    """The door's library lists the directory, sees nothing, and deletes the directory alone, which is not empty."""
    box.files.put(f"{HOME}/a/b", b"x")
    rule = box.faults.add("door", "DELETE", f"{HOME}/a", faults.EmptyListing())
    reply = call.door("DELETE", f"{HOME}/a")
    rule.remove()
    assert (reply.status, reply.body[:41]) == (500, b"Internal problem: Directory is not empty:")
    assert box.files.exists(f"{HOME}/a/b")


def test_delete_with_a_fragment_is_refused(box, call):
    box.files.put(f"{HOME}/a#b")
    box.files.put(f"{HOME}/a")
    connection = call.connection(box.door)
    assert call.on(connection, "DELETE", f"{HOME}/a#b", headers=call.bearer).status == 400
    assert call.door("DELETE", f"{HOME}/a%23b").status == 204


def move(call, source, target, **headers):
    return call.door("MOVE", HOME + source, headers={"Destination": call.box.door + HOME + target, **headers})


def test_move_keeps_the_file(box, call):
    old = box.files.put(f"{HOME}/a", b"x")
    assert move(call, "/a", "/b%20c").status == 201
    assert box.files.entry(f"{HOME}/b c") is old
    assert not box.files.exists(f"{HOME}/a")


def test_move_takes_a_path_as_destination(box, call):
    box.files.put(f"{HOME}/a", b"x")
    assert call.door("MOVE", f"{HOME}/a", headers={"Destination": f"{HOME}/b"}).status == 201


@pytest.mark.parametrize("overwrite", [{}, {"Overwrite": "F"}])
def test_move_does_not_overwrite_by_default(box, call, overwrite):
    box.files.put(f"{HOME}/a", b"new")
    box.files.put(f"{HOME}/b", b"old")
    assert move(call, "/a", "/b", **overwrite).status == 412
    assert (box.files.read(f"{HOME}/a"), box.files.read(f"{HOME}/b")) == (b"new", b"old")


def test_move_overwrites_with_overwrite_t(box, call):
    box.files.put(f"{HOME}/a", b"new")
    box.files.put(f"{HOME}/b", b"old")
    assert move(call, "/a", "/b", Overwrite="T").status == 204
    assert box.files.read(f"{HOME}/b") == b"new"
    assert not box.files.exists(f"{HOME}/a")


def test_move_of_a_directory(box, call):
    box.files.put(f"{HOME}/a/b/c", b"x")
    assert move(call, "/a", "/z").status == 201
    assert box.files.read(f"{HOME}/z/b/c") == b"x"


def test_an_impossible_move_is_refused(box, call):
    box.files.put(f"{HOME}/a", b"x")
    box.files.mkdir(f"{HOME}/d")
    assert move(call, "/nothing", "/b").status == 404
    assert move(call, "/a", "/no/parent").status == 409
    assert move(call, "/d", "/d/e").status == 409
    assert call.door("MOVE", f"{HOME}/a").status == 400


@pytest.mark.parametrize("method", ["COPY", "LOCK", "UNLOCK", "POST", "PATCH"])
def test_unknown_methods_are_not_implemented(box, call, method):
    box.files.put(f"{HOME}/a", b"x")
    reply = call.door(method, f"{HOME}/a", headers={"Destination": f"{HOME}/b"})
    assert (reply.status, reply.body.decode()) == (501, f"Method {method} is not implemented.\n")


def test_options_names_the_methods_of_the_door(call):
    reply = call.door("OPTIONS", "/")
    assert (reply.status, reply["DAV"]) == (200, "1, 2")
    assert {"PROPFIND", "MOVE", "MKCOL"} <= set(reply["Allow"].split(", "))


def test_options_of_a_newer_door_names_no_methods(make_box, make_caller):
    call = make_caller(make_box(options_style="cors"))
    reply = call.bare("OPTIONS", call.box.door + "/")
    assert (reply.status, reply.body, reply["DAV"], reply["Allow"]) == (200, b"", None, None)
