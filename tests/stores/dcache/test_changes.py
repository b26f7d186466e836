"""Changes at dCache's frontend: one counts as made if the answer confirms it, or if a look shows it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from stores.odd_server import Answer, OddServer

from ctadata.errors import CtadataError, Forbidden, NotFound, ServerTrouble
from ctadata.http.client import Client
from ctadata.http.messages import Origin
from ctadata.paths import RemotePath
from ctadata.stores.dcache.frontend import Frontend
from ctadata.stores.dcache.tape import TapeLibrary

PATH = RemotePath(("d", "f"))
TARGET = "/api/v1/namespace/d/f"
LOOK = f"GET {TARGET}?qos=true&labels=true&xattr=true"
JSON = {"Content-Type": "application/json"}

Change = Callable[[Frontend], None]
CHANGES: dict[str, tuple[Change, dict, dict]] = {
    "qos": (lambda it: it.set_quality(PATH, "tape"), {"currentQos": "disk"}, {"currentQos": "tape"}),
    "set-label": (lambda it: it.set_label(PATH, "l"), {"labels": ["k"]}, {"labels": ["k", "l"]}),
    "rm-label": (lambda it: it.set_label(PATH, "l", on=False), {"labels": ["k", "l"]}, {"labels": ["k"]}),
    "set-xattr": (
        lambda it: it.set_attributes(PATH, {"a": "1", "b": "2"}),
        {"extendedAttributes": {"a": "1", "b": "0"}},
        {"extendedAttributes": {"a": "1", "b": "2", "c": "3"}},
    ),
    "rm-xattr": (
        lambda it: it.remove_attributes(PATH, ["a", "b"]),
        {"extendedAttributes": {"b": "2"}},
        {"extendedAttributes": {"c": "3"}},
    ),
}
"""By action: the change, and what dCache says of the file before and after it."""
UNCONFIRMING = {
    "another object": Answer(202, JSON, b'{"requestId": "r2"}'),
    "a promise": Answer(202, JSON, b'{"status": "success"}'),
    "another status": Answer(200, JSON, b'{"status": "accepted"}'),
    "a list": Answer(201, JSON, b'["success"]'),
    "nothing": Answer(204),
}


@pytest.fixture
def server() -> Iterator[OddServer]:
    with OddServer() as server:
        yield server


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client(trusted=[], credentials=None)
    yield client
    client.close()


@pytest.fixture
def frontend(server: OddServer, client: Client) -> Frontend:
    return Frontend(client, server.url, root=RemotePath())


def as_answer(status: int, fields: object) -> Answer:
    return Answer(status, JSON, json.dumps(fields).encode())


@pytest.mark.parametrize("action", CHANGES)
@pytest.mark.parametrize("status", [200, 201])
def test_a_confirmed_change_takes_one_request(server: OddServer, frontend: Frontend, action: str, status: int) -> None:
    server.answers[f"POST {TARGET}"] = [as_answer(status, {"status": "success"})]
    CHANGES[action][0](frontend)
    (asked,) = server.asked
    assert json.loads(asked.body)["action"] == action


@pytest.mark.parametrize("action", CHANGES)
@pytest.mark.parametrize("answer", UNCONFIRMING)
def test_an_unconfirmed_change_is_looked_at(server: OddServer, frontend: Frontend, action: str, answer: str) -> None:
    change, before, after = CHANGES[action]
    server.answers[f"POST {TARGET}"] = [UNCONFIRMING[answer]]
    server.answers[LOOK] = [as_answer(200, {"pnfsId": "0A", **fields}) for fields in (before, after)]
    with pytest.raises(ServerTrouble, match=f"did not confirm the change: {UNCONFIRMING[answer].status}") as refused:
        change(frontend)
    assert refused.value.path == str(PATH)
    change(frontend)


@pytest.mark.parametrize("action", CHANGES)
@pytest.mark.parametrize("look", [as_answer(200, {"requestId": "r"}), Answer(204), Answer(200, {}, b"<html>")], ids=str)
def test_a_look_at_what_is_no_description_shows_nothing(
    server: OddServer, frontend: Frontend, action: str, look: Answer
) -> None:
    server.answers[f"POST {TARGET}"] = [UNCONFIRMING["nothing"]]
    server.answers[LOOK] = [look]
    with pytest.raises(ServerTrouble, match="did not confirm"):
        CHANGES[action][0](frontend)


@pytest.mark.parametrize(
    ("errors", "kind", "words"),
    [
        ([{"status": "403", "message": "Permission denied"}], Forbidden, "403 Forbidden, Permission denied"),
        ([{"status": 404, "message": "No such file"}], NotFound, "404 Not Found, No such file"),
        ([{"message": "no room"}], ServerTrouble, "200 OK, no room"),
        ([{"status": "200", "message": "no room"}], ServerTrouble, "200 OK, no room"),
        (["no room"], ServerTrouble, "200 OK"),
        ("no room", ServerTrouble, "200 OK"),
    ],
)
@pytest.mark.parametrize("action", CHANGES)
def test_errors_in_an_answer_are_the_error(
    server: OddServer, frontend: Frontend, action: str, errors: object, kind: type[CtadataError], words: str
) -> None:
    """Whatever its status is, and though it says success beside."""
    server.answers[f"POST {TARGET}"] = [as_answer(200, {"status": "success", "errors": errors})]
    with pytest.raises(kind, match=words):
        CHANGES[action][0](frontend)
    assert len(server.asked) == 1


def test_the_words_of_an_old_frontend_are_shown(server: OddServer, frontend: Frontend) -> None:
    """dCache 7.0 to 8.0."""
    server.answers[f"POST {TARGET}"] = [as_answer(400, {"errors": [{"message": "No such label l", "status": "400"}]})]
    with pytest.raises(NotFound, match="No such label l"):
        frontend.set_label(PATH, "l", on=False)


@pytest.fixture
def tape(server: OddServer, frontend: Frontend) -> TapeLibrary:
    where = {"endpoints": [{"version": "v1", "uri": f"{server.url}/tape"}]}
    server.answers["GET /.well-known/wlcg-tape-rest-api"] = [as_answer(200, where)]
    return TapeLibrary(frontend, [server.url], frozenset([Origin.parse(server.url)]))


@pytest.mark.parametrize("status", [200, 204])
def test_a_release_that_is_confirmed(server: OddServer, tape: TapeLibrary, status: int) -> None:
    server.otherwise = Answer(status)
    tape.release("r", [PATH])
    tape.cancel("r", [PATH])


def test_a_release_that_is_not_confirmed(server: OddServer, tape: TapeLibrary) -> None:
    server.otherwise = UNCONFIRMING["another object"]
    with pytest.raises(ServerTrouble, match="did not confirm the release: 202"):
        tape.release("r", [PATH])
    with pytest.raises(ServerTrouble, match="did not confirm the cancellation: 202"):
        tape.cancel("r", [PATH])


@pytest.mark.parametrize("fields", [{}, {"requestId": "r"}, {"files": None}])
def test_a_state_without_files_is_no_state(server: OddServer, tape: TapeLibrary, fields: dict) -> None:
    server.otherwise = as_answer(200, fields)
    with pytest.raises(ServerTrouble, match="not one of dCache"):
        tape.status("r")
