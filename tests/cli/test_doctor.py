"""The findings of `doctor`: at a site without faults, and with one fault after the other."""

from __future__ import annotations

import json
import re
import signal
import socket

import pytest
import trustme

from ctadata.sandbox import Sandbox, faults


def findings_of(ended):
    """Return the findings by their subject; each one that is not ok has advice."""
    lines = [json.loads(line) for line in ended.out.splitlines()]
    assert all((line["verdict"] == "ok") == (line["advice"] is None) for line in lines), ended.out
    return {line["what"]: line for line in lines}


@pytest.fixture
def doctor(at_box):
    return lambda *arguments, **more: at_box("doctor", "--json", *arguments, **more)


class TestWithoutFaults:
    def test_every_line_is_ok(self, at_box, box, place):
        box.files.put(f"/{place}/a", b"content")
        lines = at_box("doctor", "--write", f"{place}/a", check=0).out.splitlines()
        verdicts = {line.split()[1]: line.split()[0] for line in lines if not line.startswith(" ")}
        assert verdicts == dict.fromkeys(
            ("tls", "door", "clock", "token", "listing", "home", "frontend", "tape", "download", "checksums", "upload",
             "delete"), "ok",
        )  # fmt: skip
        text = "\n".join(lines)
        assert re.search(rf"a comes from https://localhost:{box.pools[0].rpartition(':')[2][:2]}", text)
        assert "goes to https://localhost:" in text
        assert "the storage keeps adler32" in text

    def test_a_home_without_files_lets_doctor_read_another_file(self, doctor, box, place):
        box.files.put(f"/lst/{place.rpartition('/')[2]}/a", b"content")
        assert findings_of(doctor(check=0))["download"]["verdict"] == "ok"

    def test_the_test_upload_is_deleted(self, doctor, box):
        before = box.files.tree("/lst/users/ada")
        doctor("--write", check=0)
        assert box.files.tree("/lst/users/ada") == before

    def test_without_write_nothing_is_written(self, doctor, box):
        box.forget_seen()
        doctor(check=0)
        assert {seen.method for seen in box.seen} <= {"OPTIONS", "PROPFIND", "GET", "HEAD"}

    def test_a_bundle_holds_no_secret(self, at_box, box, place):
        box.files.put(f"/{place}/a", b"content")
        at_box("doctor", "--bundle", "report.txt", f"{place}/a", check=0)
        report = (at_box.cwd / "report.txt").read_text()
        assert "Python 3" in report
        assert f'door = "{box.door}"' in report
        assert "download" in report
        assert "eyJ" not in report
        assert "dcache-http-uuid=" not in report.replace("dcache-http-uuid=***", "")


@pytest.mark.parametrize("profile", ['kind = "dcache"\ndoor', 'kind = "s3"\nendpoint'], ids=["a door", "S3"])
def test_the_first_ctrl_c_stops_doctor(cli, tmp_path, profile):
    """It does so also while a server accepts the connection and never answers the TLS handshake."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings = tmp_path / "settings.toml"
        settings.write_text(f'default = "x"\n[profiles.x]\n{profile} = "https://127.0.0.1:{server.getsockname()[1]}"\n')
        settings.chmod(0o600)
        started = cli.start("doctor", env={"CTADATA_CONFIG": str(settings)})
        with server.accept()[0] as wire:
            assert wire.recv(1)  # the handshake has begun
            started.send_signal(signal.SIGINT)
            out, err = started.communicate(timeout=60)
        assert (started.returncode, out) == (130, "")  # nothing was found out, not even that nobody answers
        assert err.splitlines() == [
            "cta-data-direct: stopping; Ctrl-C again ends at once", "cta-data-direct: stopped"
        ]  # fmt: skip


def test_the_certificate_of_a_sandbox_is_valid_for_a_year(doctor):
    assert findings_of(doctor(check=0))["tls"]["words"].endswith("valid for 365 days")


class TestWithFaults:
    def test_a_server_that_does_not_answer(self, cli):
        ended = cli("doctor", "--json", env={"CTADATA_DOOR": "https://localhost:1"}, check=1)
        (door,) = findings_of(ended).values()
        assert (door["what"], door["verdict"]) == ("door", "fail")
        assert "no connection" in door["words"]

    def test_an_untrusted_certificate(self, doctor, box):
        door = findings_of(doctor(env={"CTADATA_CA": "/etc/ssl/certs"}, check=1))["door"]
        assert "not trusted" in door["words"]

    def test_a_wrong_clock(self, doctor, box):
        late = [("Date", "Sat, 01 Jan 2000 00:00:00 GMT")]
        box.faults.add("door", "OPTIONS", "/", faults.Status(200, "OK", b"", late), times=1)
        clock = findings_of(doctor(check=0))["clock"]
        assert clock["verdict"] == "warn"
        assert "behind this machine's" in clock["words"]

    def test_no_token(self, doctor, at_box):
        at_box.env.pop("BEARER_TOKEN")
        findings = findings_of(doctor(check=1))
        assert findings["token"]["verdict"] == "fail"
        assert "start-agent" in findings["token"]["advice"]
        assert findings["issuer"]["verdict"] == "ok"
        assert "listing" not in findings

    def test_no_token_and_an_issuer_without_a_login(self, doctor, at_box):
        at_box.env.pop("BEARER_TOKEN")
        findings = findings_of(doctor(env={"CTADATA_ISSUER": "https://localhost:1/"}, check=1))
        assert findings["issuer"]["verdict"] == "fail"
        assert "no connection" in findings["issuer"]["words"]

    def test_a_refused_token(self, doctor, box):
        rule = box.faults.add("door", "PROPFIND", "/*", faults.Status(401, "login failed"))
        findings = findings_of(doctor(check=1))
        rule.remove()
        assert findings["listing"]["verdict"] == "fail"

    def test_a_door_that_does_not_redirect_to_a_pool(self, cli):
        with Sandbox(redirect=False) as box:
            box.files.put("/lst/users/ada/a", b"content")
            config = cli.cwd / "config.toml"
            config.write_text(box.profile_toml("sandbox"))
            env = {"CTADATA_CONFIG": str(config), "CTADATA_PROFILE": "sandbox", "BEARER_TOKEN": box.token()}
            findings = findings_of(cli("doctor", "--json", "--write", env=env, check=0))
        assert "is sent by the door itself" in findings["download"]["words"]
        assert (findings["upload"]["verdict"], findings["upload"]["advice"][:10]) == ("warn", "every byte")

    def test_a_token_of_another_issuer(self, doctor, box):
        ended = doctor(env={"BEARER_TOKEN": box.token(issuer="https://elsewhere.example")}, check=1)
        assert findings_of(ended)["token"]["verdict"] == "fail"
        assert "the token is from https://elsewhere.example, and accept_issuers of the profile" in ended.err

    def test_a_token_that_soon_expires(self, doctor, box):
        findings = findings_of(doctor(env={"BEARER_TOKEN": box.token(lifetime=50)}))
        assert findings["token"]["verdict"] == "warn"
        assert re.search(r"valid for [1-5]?\d s", findings["token"]["words"])

    def test_a_frontend_that_the_door_announces_is_shown_and_not_asked(self, doctor, at_box, box):
        config = at_box.cwd / "config.toml"
        lines = box.profile_toml("sandbox").splitlines()
        config.write_text("\n".join(line for line in lines if not line.startswith("frontend")))
        box.forget_seen()
        findings = findings_of(doctor(env={"CTADATA_CONFIG": str(config), "CTADATA_PROFILE": "sandbox"}, check=0))
        assert findings["frontend"]["advice"] == f'if that is right, set frontend = "{box.frontend}" in the profile'
        assert not any(seen.server == "frontend" for seen in box.seen)

    def test_no_frontend(self, doctor, at_box, box):
        lines = box.profile_toml("sandbox").splitlines()
        config = at_box.cwd / "config.toml"
        config.write_text("\n".join(line for line in lines if not line.startswith("frontend")))
        rule = box.faults.add("door", "GET", "/.well-known/*", faults.Status(404, "Not Found"))
        findings = findings_of(doctor(env={"CTADATA_CONFIG": str(config), "CTADATA_PROFILE": "sandbox"}, check=0))
        rule.remove()
        assert findings["frontend"]["verdict"] == "warn"
        assert 'frontend = "https://host:3880"' in findings["frontend"]["advice"]

    def test_a_refused_upload(self, doctor, box):
        findings = findings_of(
            doctor("--write", env={"BEARER_TOKEN": box.token(scope="openid storage.read:/")}, check=1)
        )
        assert findings["upload"]["verdict"] == "fail"
        assert "not allowed: 403" in findings["upload"]["words"]
        assert "delete" not in findings

    def test_a_test_upload_that_cannot_be_deleted(self, doctor, box):
        rule = box.faults.add("door", "DELETE", "/*", faults.Status(403, "Forbidden"))
        findings = findings_of(doctor("--write", check=1))
        rule.remove()
        assert findings["upload"]["verdict"] == "ok"
        assert findings["delete"]["verdict"] == "fail"
        assert "could not be deleted again: not allowed" in findings["delete"]["words"]
        for name in box.files.tree("/lst/users/ada"):
            if ".ctadata-" in name:
                box.files.remove(name)

    def test_no_such_file(self, doctor, place):
        assert findings_of(doctor(f"{place}/none", check=1))["listing"]["verdict"] == "fail"

    def test_a_pool_that_does_not_answer(self, doctor, box, place):
        box.files.put(f"/{place}/a", b"content")
        rule = box.faults.add("pool", "GET", f"/{place}/a", faults.Status(500, "Pool is down"))
        findings = findings_of(doctor(f"{place}/a", check=1))
        rule.remove()
        assert findings["download"]["verdict"] == "fail"
        assert "Pool is down" in findings["download"]["words"]


@pytest.mark.parametrize(
    ("path", "env", "hint"),
    [
        ("PLACE", {}, "it exists in your home: write home:"),
        ("/", {"CTADATA_DOOR": "https://localhost:1"}, "check the network and the address"),
        ("/", {"BEARER_TOKEN": ""}, "log in: cta-data-direct start-agent"),
        ("/", {"CTADATA_CA": "OTHER"}, "the CA that signed its certificate"),
    ],
)
def test_it_gives_the_hint_that_list_gives(run, at_box, box, place, tmp_path, monkeypatch, path, env, hint):
    other = trustme.CA()
    other.cert_pem.write_to_path(tmp_path / "other.pem")
    box.files.put(f"/{place}/f", b"x")
    path = path.replace("PLACE", place.rpartition("/")[2])
    for name, value in {**at_box.env, **env}.items():
        monkeypatch.setenv(name, value.replace("OTHER", str(tmp_path / "other.pem")))
    listed = run("list", path, check=None)
    assert hint in listed.err
    assert hint in run("doctor", path, check=1).out
