"""The REST frontend: user, namespace, tape, quota and labels in the form of dCache's sources."""

import json

import pytest

HOME = "/lst/users/ada"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def rest(box, call):
    """Return the function `rest(method, path, **payload)`, which returns the status and JSON of a response."""

    def ask(method, path, token=None, **payload):
        headers = {**call.bearer, **JSON} if token is None else {"Authorization": f"Bearer {token}", **JSON}
        reply = call.bare(
            method, f"{box.frontend}/api/v1{path}", json.dumps(payload).encode() if payload else None, headers
        )
        return reply.status, json.loads(reply.body) if reply.body else None

    return ask


class TestNamespace:
    def test_attributes_of_a_file(self, box, rest):
        node = box.files.put(f"{HOME}/a", b"hello", mtime=1e9)
        status, told = rest("GET", f"/namespace{HOME}/a?locality=true&checksum=true")
        assert status == 200
        assert (told["fileType"], told["size"], told["mtime"], told["pnfsId"]) == ("REGULAR", 5, 10**12, node.pnfsid)
        assert told["fileLocality"] == "ONLINE"
        assert told["checksums"] == [{"type": "ADLER32", "value": "062c0215"}]
        assert "children" not in told

    def test_pages_of_children(self, box, rest):
        for i in range(5):
            box.files.put(f"{HOME}/f{i}", b"x")
        names = [
            [
                child["fileName"]
                for child in rest("GET", f"/namespace{HOME}?children=true&limit=2&offset={o}")[1]["children"]
            ]
            for o in (0, 2, 4, 6)
        ]
        assert names == [["f0", "f1"], ["f2", "f3"], ["f4"], []]

    def test_an_upload_under_way_has_no_size(self, box, rest):
        box.files.put(f"{HOME}/a", b"x")
        box.files.entry(f"{HOME}/a").size = None
        assert "size" not in rest("GET", f"/namespace{HOME}/a")[1]

    def test_errors_have_their_form(self, rest):
        assert rest("GET", "/namespace/nowhere") == (
            404,
            {"status": "404", "title": "Not Found", "detail": "No such file or directory /nowhere"},
        )
        assert rest("POST", f"/namespace{HOME}", action="dance")[0] == 400
        assert rest("PUT", f"/namespace{HOME}")[0] == 405

    def test_without_a_token(self, box, call):
        assert call.bare("GET", f"{box.frontend}/api/v1/namespace/").status == 401

    def test_make_rename_delete(self, box, rest):
        assert rest("POST", f"/namespace{HOME}", action="mkdir", name="d") == (201, {"status": "success"})
        box.files.put(f"{HOME}/d/a", b"x")
        assert rest("DELETE", f"/namespace{HOME}/d")[0] == 400
        assert rest("POST", f"/namespace{HOME}/d/a", action="mv", destination="b")[0] == 201
        assert box.files.exists(f"{HOME}/d/b")
        assert rest("DELETE", f"/namespace{HOME}/d/b") == (200, {"status": "success"})
        assert rest("DELETE", f"/namespace{HOME}/d")[0] == 200

    def test_a_rename_replaces(self, box, rest):
        box.files.put(f"{HOME}/a", b"new")
        box.files.put(f"{HOME}/b", b"old")
        assert rest("POST", f"/namespace{HOME}/a", action="mv", destination=f"{HOME}/b")[0] == 201
        assert box.files.read(f"{HOME}/b") == b"new"

    def test_changes_outside_the_home_are_forbidden(self, box, rest):
        box.files.put("/lst/shared/a", b"x")
        assert rest("DELETE", "/namespace/lst/shared/a")[0] == 403
        assert rest("POST", "/namespace/lst/shared/a", action="set-label", label="l")[0] == 403

    def test_labels(self, box, rest):
        box.files.put(f"{HOME}/a", b"x")
        assert rest("POST", f"/namespace{HOME}/a", action="set-label", label="good")[0] == 201
        assert rest("GET", f"/namespace{HOME}/a?labels=true")[1]["labels"] == ["good"]
        assert rest("GET", "/labels")[1] == {"labels": ["good"]}
        assert rest("GET", "/labels/good")[1]["children"] == [{"fileName": "a"}]
        assert rest("POST", f"/namespace{HOME}/a", action="rm-label", label="bad")[0] == 400
        assert rest("POST", f"/namespace{HOME}/a", action="rm-label", label="good")[0] == 201
        assert rest("GET", f"/namespace{HOME}/a?labels=true")[1]["labels"] == []

    def test_extended_attributes(self, box, rest):
        box.files.put(f"{HOME}/a", b"x")
        change = f"/namespace{HOME}/a"
        assert rest("POST", change, action="set-xattr", attributes={"run": "7"})[0] == 201
        assert rest("POST", change, action="set-xattr", attributes={"run": "8"}, mode="CREATE")[0] == 409
        assert rest("POST", change, action="set-xattr", attributes={"x": "8"}, mode="MODIFY")[0] == 409
        assert rest("GET", f"{change}?xattr=true")[1]["extendedAttributes"] == {"run": "7"}
        assert rest("POST", change, action="rm-xattr", names=["run"])[0] == 201
        assert rest("POST", change, action="rm-xattr", names="run")[0] == 409

    def test_quality_of_service_needs_its_engine(self, box, rest):
        box.files.put(f"{HOME}/a", b"x")
        status, told = rest("POST", f"/namespace{HOME}/a", action="qos", target="tape")
        assert (status, told["detail"][:13]) == (500, "NoRouteToCell")


class TestQualities:
    @pytest.fixture
    def box(self, make_box):
        return make_box(qos_engine=True)

    def test_quality_of_service(self, box, rest):
        box.files.put(f"{HOME}/a", b"x")
        assert rest("GET", f"/namespace{HOME}/a?qos=true")[1]["currentQos"] == "disk"
        assert rest("POST", f"/namespace{HOME}/a", action="qos", target="tape")[0] == 201
        assert rest("GET", f"/namespace{HOME}/a?qos=true&locality=true")[1]["fileLocality"] == "NEARLINE"
        assert rest("POST", f"/namespace{HOME}/a", action="qos", target="gold")[0] == 400
        assert rest("POST", f"/namespace{HOME}", action="qos", target="tape")[0] == 400
        assert "disk+tape" in rest("GET", "/qos-management/qos/file")[1]["name"]


class TestQuota:
    def test_a_site_without_quotas_answers_404(self, rest):
        assert rest("GET", "/quota/user?user=true") == (
            404,
            {"detail": "No such quota exists", "title": "Not Found", "status": "404"},
        )

    def test_a_quota_shows_used_and_allowed_bytes(self, make_box, make_caller):
        box = make_box(quota=10)
        call = make_caller(box)
        box.files.put(f"{HOME}/a", b"1234567")
        reply = call.bare("GET", f"{box.frontend}/api/v1/quota/user?user=true", None, call.bearer)
        told = json.loads(reply.body)[0]
        assert (told["type"], told["replica"], told["replicaLimit"]) == ("USER", 7, 10)
        assert call.door("PUT", f"{HOME}/b", b"123").status == 201
        full = call.door("PUT", f"{HOME}/c", b"1")
        assert (full.status, full.body) == (507, b"Insufficient storage: SER_QUOTA_EXCEEDED\n")


class TestTape:
    @pytest.fixture
    def box(self, make_box, clock):
        return make_box(clock=clock)

    @pytest.fixture
    def archived(self, box):
        for name in "ab":
            box.files.put(f"{HOME}/{name}", b"x")
            box.tape.archive(f"{HOME}/{name}")
        box.files.put(f"{HOME}/c", b"x")
        box.tape.delay = 100
        return box

    def test_the_well_known_document_names_the_tape_api(self, box, call):
        for origin in (box.door, box.frontend):
            told = json.loads(call.bare("GET", f"{origin}/.well-known/wlcg-tape-rest-api").body)
            assert told["endpoints"] == [{"uri": f"{box.frontend}/api/v1/tape", "version": "v1", "metadata": {}}]

    def test_localities_are_listed(self, archived, rest):
        paths = [f"{HOME}/a", f"{HOME}/c", f"{HOME}/none", HOME]
        told = {info.pop("path"): info for info in rest("POST", "/tape/archiveinfo", paths=paths)[1]}
        assert told[f"{HOME}/a"] == {"locality": "TAPE"}
        assert told[f"{HOME}/c"] == {"locality": "DISK"}
        assert "No such file" in told[f"{HOME}/none"]["error"]
        assert "directory" in told[HOME]["error"]

    def test_a_stage_request_ends_when_its_files_are_on_disk(self, archived, rest, clock):
        files = [{"path": f"{HOME}/{name}", "diskLifetime": "PT24H"} for name in ("a", "c", "none")]
        status, answer = rest("POST", "/tape/stage", files=files)
        assert status == 201
        state = rest("GET", f"/tape/stage/{answer['requestId']}")[1]
        assert [file["state"] for file in state["files"]] == ["STARTED", "FAILED", "FAILED"]
        assert state["files"][1]["error"] == "Cannot stage DISK only files"
        assert "completedAt" not in state
        clock.advance(100)
        state = rest("GET", f"/tape/stage/{answer['requestId']}")[1]
        assert state["files"][0]["state"] == "COMPLETED"
        assert state["completedAt"] == state["createdAt"] + 100_000
        assert archived.files.entry(f"{HOME}/a").file_locality == "ONLINE_AND_NEARLINE"

    def test_release(self, archived, rest, clock):
        name = rest("POST", "/tape/stage", files=[{"path": f"{HOME}/a"}])[1]["requestId"]
        clock.advance(100)
        rest("GET", f"/tape/stage/{name}")
        assert rest("POST", f"/tape/release/{name}", paths=[f"{HOME}/a"]) == (200, None)
        assert archived.files.entry(f"{HOME}/a").file_locality == "NEARLINE"

    def test_cancel_and_delete(self, archived, rest, clock):
        name = rest("POST", "/tape/stage", files=[{"path": f"{HOME}/a"}, {"path": f"{HOME}/b"}])[1]["requestId"]
        assert rest("POST", f"/tape/stage/{name}/cancel", paths=[f"{HOME}/other"])[0] == 400
        assert rest("POST", f"/tape/stage/{name}/cancel", paths=[f"{HOME}/a"]) == (200, None)
        clock.advance(100)
        states = [file["state"] for file in rest("GET", f"/tape/stage/{name}")[1]["files"]]
        assert states == ["CANCELLED", "COMPLETED"]
        assert rest("DELETE", f"/tape/stage/{name}") == (200, None)
        assert rest("GET", f"/tape/stage/{name}")[0] == 404

    def test_limits(self, box, rest):
        assert rest("POST", "/tape/stage", files=[{"path": f"/f{i}"} for i in range(501)])[0] == 413
        assert rest("POST", "/tape/stage", files=[])[0] == 400
        assert rest("POST", "/tape/stage", files=[{"path": "/a"}], color="red")[0] == 400
        assert rest("POST", "/tape/stage", files=[{"name": "/a"}])[0] == 400

    def test_another_users_request(self, archived, rest):
        name = rest("POST", "/tape/stage", files=[{"path": f"{HOME}/a"}])[1]["requestId"]
        eve = archived.token(user="eve", lifetime=1e9)
        assert rest("GET", f"/tape/stage/{name}", token=eve)[0] == 403

    def test_a_tape_that_cannot_be_read(self, archived, rest, clock):
        archived.tape.make_unreadable(f"{HOME}/a", "the robot has dropped it")
        name = rest("POST", "/tape/stage", files=[{"path": f"{HOME}/a"}])[1]["requestId"]
        clock.advance(100)
        told = rest("GET", f"/tape/stage/{name}")[1]["files"][0]
        assert (told["state"], told["error"]) == ("FAILED", "the robot has dropped it")

    def test_drives_limit_the_files_read_at_a_time(self, archived, rest, clock):
        archived.tape.drives = 1
        name = rest("POST", "/tape/stage", files=[{"path": f"{HOME}/a"}, {"path": f"{HOME}/b"}])[1]["requestId"]
        clock.advance(100)
        assert [file["state"] for file in rest("GET", f"/tape/stage/{name}")[1]["files"]] == ["COMPLETED", "STARTED"]

    def test_a_reader_waits_at_the_door(self, archived, call):
        archived.tape.delay = 0
        assert call.door("GET", f"{HOME}/a").status == 302
        assert archived.files.entry(f"{HOME}/a").file_locality == "ONLINE_AND_NEARLINE"

    def test_a_reader_gets_500_if_the_file_does_not_come(self, archived, call):
        archived.tape.make_unreadable(f"{HOME}/a", "broken")
        assert call.door("GET", f"{HOME}/a").status == 500
