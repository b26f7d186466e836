"""Defects of older clients of the certificate service, which must not come back."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import jsonify, redirect
from servers.platform_site import Platform

import ctadata
from ctadata.api import CertificateError

POST = ("POST", "certificateservice/certificate")


@pytest.fixture
def papers(on_platform: Platform):
    """`papers(**what)`: a file with a certificate like this."""

    def write(**what: object) -> str:
        Path("proxy.pem").write_bytes(on_platform.papers.certificate(**what))
        return "proxy.pem"

    return write


def sent(platform: Platform) -> list[str]:
    return platform.seen("certificateservice")


@pytest.mark.parametrize("key", ["lst", "cta"])
@pytest.mark.parametrize("proxy", [True, False])
def test_a_good_certificate_is_stored(on_platform: Platform, papers, key, proxy):
    said = ctadata.upload_personal_certificate(papers(proxy=proxy), key)
    assert said["message"] == "Certificate stored"
    assert said["validity"].endswith("GMT")
    assert on_platform.certificates.file(on_platform.user, key).read_bytes() == Path("proxy.pem").read_bytes()


@pytest.mark.parametrize(("status", "target"), [(307, "http://elsewhere.example/x"), (308, "/elsewhere"), (302, None)])
def test_a_private_key_follows_no_redirect(on_platform: Platform, papers, refusals, status, target):
    to_login = "/hub/api/oauth2/authorize?client_id=service-certificateservice"
    on_platform.instead(*POST, lambda: redirect(target or to_login, status), times=5)
    with pytest.raises(CertificateError) as caught:
        ctadata.upload_personal_certificate(papers(), "lst")
    assert sent(on_platform) == ["POST certificateservice/certificate"]
    assert len(on_platform.requests) == 1
    assert refusals() == []
    if target is None:
        assert "not logged in" in str(caught.value)


def test_an_invalid_token_is_reported_as_such(on_platform: Platform, papers):
    with pytest.raises(CertificateError, match="not logged in"):
        ctadata.upload_personal_certificate(papers(), "lst", token="bad")


def test_an_unknown_key_is_refused_before_anything_is_sent(on_platform: Platform, papers):
    with pytest.raises(CertificateError, match="zzz"):
        ctadata.upload_personal_certificate(papers(), "zzz")
    assert sent(on_platform) == []


def test_a_key_that_the_server_does_not_know_is_a_clear_error(on_platform: Platform, papers):
    with pytest.raises(CertificateError, match="arc"):
        ctadata.upload_personal_certificate(papers(), "arc")


def test_keys_may_be_named_in_the_environment(on_platform: Platform, papers, monkeypatch):
    on_platform.certificates.keys = ("cta", "lst", "new")
    monkeypatch.setenv("CTACS_ALLOWED_CERT_KEYS", "new,lst")
    ctadata.upload_personal_certificate(papers(), "new")
    assert on_platform.certificates.file(on_platform.user, "new").exists()
    with pytest.raises(CertificateError, match="cta"):
        ctadata.upload_personal_certificate(papers(), "cta")


REFUSALS = [
    ["certificate validity too long, please generate a short-lived (max 7 day) certificate", 400],
    ["certificate expired", 400],
    ["certificateservice cabundle not configured, please contact your administrator", 500],
]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_that_looks_like_success_is_raised(on_platform: Platform, papers, refusal):
    on_platform.instead(*POST, lambda: jsonify(message="Certificate stored", validity=refusal))
    with pytest.raises(CertificateError) as caught:
        ctadata.upload_personal_certificate(papers(), "lst")
    assert str(refusal[0]) in str(caught.value)


def test_a_server_without_authorities_refuses_and_that_is_raised(on_platform: Platform, papers):
    on_platform.certificates.bundle = b""
    with pytest.raises(CertificateError, match="cabundle not configured"):
        ctadata.upload_personal_certificate(papers(), "lst")


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ({"days": 9}, "accepts at most 7"),
        ({"days": 9, "proxy": False}, "accepts at most 7"),
        ({"days": -0.5}, "expired"),
        ({"key": False}, "key"),
        ({"certificates": False}, "no PEM certificate"),
    ],
)
def test_a_certificate_that_the_service_could_not_use_is_refused_here(on_platform: Platform, papers, what, words):
    with pytest.raises(CertificateError, match=words):
        ctadata.upload_personal_certificate(papers(**what), "lst")
    assert sent(on_platform) == []


def test_a_key_of_another_certificate_is_refused_here(on_platform: Platform):
    one, other = (on_platform.papers.certificate(proxy=False, key=key) for key in (False, True))
    key = other[other.index(b"-----BEGIN PRIVATE") :]
    Path("mixed.pem").write_bytes(one + key)
    with pytest.raises(CertificateError, match="key"):
        ctadata.upload_personal_certificate("mixed.pem", "lst")
    assert sent(on_platform) == []


def test_no_error_shows_the_private_key(on_platform: Platform, papers, caplog):
    caplog.set_level("DEBUG")
    secret = Path(papers()).read_text().partition("PRIVATE KEY-----\n")[2][:40]
    on_platform.instead(*POST, lambda: (Path("proxy.pem").read_text(), 500), times=5)
    with pytest.raises(CertificateError) as caught:
        ctadata.upload_personal_certificate("proxy.pem", "lst")
    assert secret
    assert secret not in str(caught.value) + caplog.text


def test_a_missing_file_is_a_file_not_found_error(on_platform: Platform):
    for upload in (
        lambda: ctadata.upload_personal_certificate("no.pem", "lst"),
        lambda: ctadata.upload_shared_certificate("no.pem"),
    ):
        with pytest.raises(FileNotFoundError):
            upload()


def test_only_an_admin_may_change_the_shared_certificate(on_platform: Platform, papers):
    with pytest.raises(CertificateError, match="admin"):
        ctadata.upload_shared_certificate(papers(days=2))
    admin = on_platform.hub.issue("admin", admin=True)
    said = ctadata.upload_shared_certificate(papers(days=2), token=admin)
    assert said == {"message": "Shared certificate stored", "certificateUploaded": True}
    assert on_platform.certificates.shared == Path("proxy.pem").read_bytes()


@pytest.mark.parametrize(
    "said", [{"message": "x"}, {"certificateUploaded": False}, {"certificateUploaded": ["too long", 400]}]
)
def test_a_refusal_of_the_shared_certificate_that_looks_like_success_is_raised(on_platform: Platform, papers, said):
    on_platform.instead("POST", "certificateservice/main-certificate", lambda: jsonify(said))
    with pytest.raises(CertificateError, match="did not confirm"):
        ctadata.upload_shared_certificate(papers(days=2))


def test_an_admin_may_upload_for_another_user(on_platform: Platform, papers):
    ctadata.upload_personal_certificate(papers(), "lst", "gitlab_ctao_somebody")
    assert on_platform.certificates.file("gitlab_ctao_somebody", "lst").exists()


def test_upload_certificate_chooses_a_key_and_returns_it(on_platform: Platform, papers, monkeypatch):
    assert "cta" in str(ctadata.upload_certificate(papers()))
    assert on_platform.certificates.file(on_platform.user, "cta").exists()
    monkeypatch.setenv("CTACS_ALLOWED_CERT_KEYS", "lst,cta")
    assert "lst" in str(ctadata.upload_certificate(papers()))
    assert "cta" in str(ctadata.upload_certificate(papers(), "cta"))


def test_the_state_of_certificates_is_shown(on_platform: Platform, papers, run):
    ctadata.upload_personal_certificate(papers(), "lst")
    said = run("cta-data", "certificate-status", check=0)
    assert "shared" in said.out.lower()
    on_platform.certificates.shared = on_platform.papers.certificate(days=-0.5)
    assert "outdated" in run("cta-data", "certificate-status").out


def test_no_file_is_left_open(on_platform: Platform, papers):
    """Warnings of files left open are errors in this suite."""
    import gc

    ctadata.upload_personal_certificate(papers(), "lst")
    with pytest.raises(CertificateError):
        ctadata.upload_shared_certificate(papers())
    gc.collect()
