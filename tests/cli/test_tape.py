"""Files on tape: shown, staged and waited for; never requested while they are on tape only."""

from __future__ import annotations

import json

import pytest

from ctadata.sandbox import Sandbox
from ctadata.sandbox.faults import Status


@pytest.fixture(scope="module")
def box():
    """A site with a QoS engine."""
    with Sandbox(approve=True, qos_engine=True) as box:
        yield box


@pytest.fixture
def archived(box, place):
    """Put a, b and d/c on tape and e on disk below `place`; return the paths on tape."""
    for name in ("a", "b", "d/c", "e"):
        box.files.put(f"/{place}/{name}", name.encode())
    names = [f"/{place}/{name}" for name in ("a", "b", "d/c")]
    for name in names:
        box.tape.archive(name)
    box.tape.delay = 0.0
    box.forget_seen()
    yield names
    box.tape.delay = 0.0


def gets_at_the_door(box, place):
    asked = [seen.target for seen in box.seen if (seen.server, seen.method) == ("door", "GET")]
    return sorted(target for target in asked if place in target)


class TestGet:
    def test_without_stage_files_on_tape_are_not_requested(self, at_box, box, place, archived):
        ended = at_box("get", "-r", place)
        assert ended.code == 10
        assert (at_box.cwd / place.rpartition("/")[2] / "e").read_bytes() == b"e"
        for path in archived:
            assert f"{path}: it is on tape, not on disk (get --stage brings it back and waits for it)" in ended.err
        assert gets_at_the_door(box, place) == [f"/{place}/e"]

    def test_a_dry_run_says_so_too(self, at_box, box, place, archived):
        assert at_box("get", "-n", f"{place}/a").code == 10

    def test_into_a_pipe(self, at_box, box, place, archived):
        assert at_box("get", f"{place}/a", "-").code == 10
        assert gets_at_the_door(box, place) == []
        assert at_box("get", "--stage", f"{place}/a", "-", check=0).out == "a"

    def test_with_stage_one_request_stages_all_files(self, at_box, box, place, archived):
        before = len(box.tape.requests)
        ended = at_box("get", "-r", "--stage", place, "out", check=0)
        found = [path.read_bytes() for path in (at_box.cwd / "out").rglob("*") if path.is_file()]
        assert sorted(found) == [b"a", b"b", b"d/c", b"e"]
        request = box.tape.requests[before:]
        assert [sorted(each.files) for each in request] == [sorted(archived)]
        assert f"3 files are on tape and requested, with stage request {request[0].id}" in ended.err
        assert box.files.entry(archived[0]).file_locality == "NEARLINE"  # not needed on disk any more

    def test_an_equal_local_file_is_not_staged(self, at_box, box, place, archived):
        at_box("get", "-r", "--stage", place, "out", check=0)
        before = len(box.tape.requests)
        at_box("get", "-r", "--stage", place, "out", check=0)
        assert len(box.tape.requests) == before

    def test_a_file_that_cannot_be_staged_fails_alone(self, at_box, box, place, archived):
        box.tape.make_unreadable(archived[1], "the robot has dropped it")
        ended = at_box("get", "-r", "--stage", place, "out", check=10)
        assert f"{archived[1]}: its staging failed: the robot has dropped it" in ended.err
        assert len([path for path in (at_box.cwd / "out").rglob("*") if path.is_file()]) == 3

    def test_a_tape_interface_at_another_origin_gets_no_token(self, at_box, box, place, archived):
        from ctadata.sandbox import faults

        body = json.dumps({"endpoints": [{"uri": "https://127.0.0.1:1/api/v1/tape", "version": "v1"}]}).encode()
        answer = faults.Status(200, "OK", body)
        rules = [
            box.faults.add(each, "GET", "/.well-known/wlcg-tape-rest-api", answer) for each in ("frontend", "door")
        ]
        try:
            ended = at_box("-v", "get", "--stage", f"{place}/a", check=0)
        finally:
            for rule in rules:
                rule.remove()
        assert "is ignored: the site announces its tape interface at https://127.0.0.1:1" in ended.err
        assert f"the tape interface of the frontend, {box.frontend}, is used instead" in ended.err

    def test_without_a_frontend_such_an_announcement_is_an_error(self, at_box, box, place, archived):
        from ctadata.sandbox import faults

        config = at_box.cwd / "config.toml"
        lines = box.profile_toml("sandbox").splitlines()
        config.write_text("\n".join(line for line in lines if not line.startswith("frontend")))
        at_box.env |= {"CTADATA_CONFIG": str(config), "CTADATA_PROFILE": "sandbox"}
        body = json.dumps({"endpoints": [{"uri": "https://example.org/api/v1/tape", "version": "v1"}]}).encode()
        rule = box.faults.add("door", "GET", "/.well-known/wlcg-tape-rest-api", faults.Status(200, "OK", body))
        try:
            ended = at_box("get", "--stage", f"{place}/a", check=4)
        finally:
            rule.remove()
        assert 'set frontend = "https://example.org:443" in the profile' in ended.err


class TestCommands:
    def test_where_files_are(self, at_box, place, archived):
        lines = at_box("locality", "-r", place, check=0).out.splitlines()
        assert sorted(line.split() for line in lines) == sorted(
            [["ONLINE", f"{place}/e"], *(["NEARLINE", path.lstrip("/")] for path in archived)]
        )
        fields = json.loads(at_box("locality", "--json", f"{place}/a", check=0).out)
        assert (fields["path"], fields["locality"]) == (f"{place}/a", "NEARLINE")

    def test_stage_status_and_release(self, at_box, box, place, archived):
        box.tape.delay = 1e6
        request = at_box("stage", "-r", "--lifetime", "7d", place, check=0).out.strip()
        ended = at_box("stage-status", request, check=10)
        assert sorted(line.split()[0] for line in ended.out.splitlines()) == ["STARTED"] * 3
        assert at_box("release", request, check=0).err == "cta-data-direct: 0 released, 3 cancelled\n"
        assert at_box("stage-status", "--json", request, check=6).out.count('"CANCELLED"') == 3

    def test_when_all_are_there(self, at_box, box, place, archived):
        request = json.loads(at_box("stage", "--json", f"{place}/a", check=0).out)["request"]
        assert at_box("stage-status", request, check=0).out == f"COMPLETED   {place}/a\n"
        assert at_box("release", request, check=0).err == "cta-data-direct: 1 released, 0 cancelled\n"

    def test_nothing_to_ask_for(self, at_box, box, place, archived):
        before = len(box.tape.requests)
        assert "no file is on tape only" in at_box("stage", f"{place}/e", check=0).err
        assert len(box.tape.requests) == before

    def test_a_file_that_may_be_on_tape_is_an_error(self, at_box, box, place, archived):
        box.files.entry(f"/{place}/e").locality = ""
        before = len(box.tape.requests)
        words = f"/{place}/e: the storage does not say whether it is on tape"
        ended = at_box("stage", f"{place}/e", check=1)
        assert words in ended.err
        assert "no file is on tape only" not in ended.err
        assert len(box.tape.requests) == before
        ended = at_box("stage", "-r", place, check=6)
        assert words in ended.err
        assert sorted(box.tape.requests[-1].files) == archived

    @pytest.mark.parametrize("request_id", ["no-such-request", "../../user"])
    def test_no_such_request(self, at_box, request_id):
        assert "no such stage request" in at_box("stage-status", request_id, check=3).err


class TestMetadata:
    def test_quality_of_service(self, at_box, box, place, archived):
        assert at_box("qos", f"{place}/e", check=0).out == "disk\n"
        at_box("qos", f"{place}/e", "tape", check=0)
        assert at_box("qos", f"{place}/e", check=0).out == "tape\n"
        assert "choose one of disk, tape, disk+tape, volatile" in at_box("qos", f"{place}/e", "gold", check=2).err

    def test_a_site_without_a_qos_engine_says_so(self, at_box, box, place, archived):
        body = b'{"detail":"NoRouteToCell[Failed to deliver to [>qos-engine@local]]","title":"x","status":"500"}'
        kind = (("Content-Type", "application/json"),)
        fault = Status(500, "Internal Server Error", body, kind)
        box.faults.add("frontend", "POST", f"/api/v1/namespace/{place}/e", fault)
        ended = at_box("qos", f"{place}/e", "tape", check=2)
        assert "this site cannot change the quality of service: it runs no QoS engine" in ended.err
        assert "try again" not in ended.err

    def test_labels(self, at_box, place, archived):
        at_box("label", "--add", "good", "--add", "new", f"{place}/e", check=0)
        assert at_box("label", f"{place}/e", check=0).out == "good\nnew\n"
        at_box("label", "--remove", "new", f"{place}/e", check=0)
        assert json.loads(at_box("label", "--json", f"{place}/e", check=0).out)["labels"] == ["good"]
        assert "it has no label 'new'" in at_box("label", "--remove", "new", f"{place}/e", check=3).err

    def test_extended_attributes(self, at_box, place, archived):
        at_box("xattr", f"{place}/e", "run=7", "telescope=LST-1", check=0)
        assert at_box("xattr", f"{place}/e", check=0).out == "run=7\ntelescope=LST-1\n"
        at_box("xattr", "--remove", "run", f"{place}/e", check=0)
        assert json.loads(at_box("xattr", "--json", f"{place}/e", check=0).out)["attributes"] == {"telescope": "LST-1"}
        assert "it has no attribute 'run'" in at_box("xattr", "--remove", "run", f"{place}/e", check=3).err
        assert "NAME=VALUE" in at_box("xattr", f"{place}/e", "run", check=2).err

    @pytest.mark.parametrize("change", [("qos", "tape"), ("label", "--add", "good"), ("xattr", "run=7")], ids=" ".join)
    def test_an_error_in_an_answer_of_success_is_an_error(self, at_box, box, place, archived, change):
        kind = (("Content-Type", "application/json"),)
        fault = Status(200, "OK", b'{"errors":[{"message":"the namespace is read-only"}]}', kind)
        rule = box.faults.add("frontend", "POST", f"/api/v1/namespace/{place}/e", fault)
        ended = at_box(change[0], f"{place}/e", *change[1:], check=5)
        rule.remove()
        assert "the namespace is read-only" in ended.err

    def test_no_such_file(self, at_box, place):
        assert at_box("qos", f"{place}/none").code == 3

    def test_quota_where_there_is_none(self, at_box):
        assert "no quotas" in at_box("quota", check=0).err

    def test_quota(self, at_box, box, place, archived):
        from ctadata.sandbox import faults

        body = json.dumps([{"id": 7, "type": "USER", "replica": 10, "replicaLimit": 100, "custodial": 0}]).encode()
        box.faults.add("frontend", "GET", "/api/v1/quota/user", faults.Status(200, "OK", body), times=1)
        assert at_box("quota", check=0).out == "user   7        replica    10 of 100\n"

    def test_a_profile_without_a_frontend_says_what_to_set(self, cli):
        ended = cli("quota", env={"CTADATA_DOOR": "https://localhost:1", "CTADATA_ISSUER": ""}, check=2)
        assert 'set frontend = "https://host:3880"' in ended.err


def test_tasks_stage_every_file_once(at_box, box, place, archived):
    before = len(box.tape.requests)
    for i in range(2):
        at_box("stage", "-r", place, "--shard", f"{i}/2", check=0)
    staged = [path for request in box.tape.requests[before:] for path in request.files]
    assert sorted(staged) == sorted(archived)
