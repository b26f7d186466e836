"""The choice of the CA certificates."""

import ssl
from pathlib import Path

import certifi
import pytest

from ctadata.errors import ConfigError
from ctadata.http import ca
from ctadata.http.ca import CaCertificates, choose_ca


@pytest.fixture
def bundle(tmp_path):
    path = tmp_path / "ca.pem"
    path.write_text("")
    return path


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "certificates"
    path.mkdir()
    return path


def test_a_ca_in_the_profile_is_the_only_one(bundle, folder):
    environ = {"SSL_CERT_FILE": __file__, "X509_CERT_DIR": str(folder)}
    assert choose_ca(bundle, environ) == CaCertificates(bundle, None)
    assert choose_ca(folder, environ) == CaCertificates(None, folder)


def test_a_missing_ca_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"missing\.pem"):
        choose_ca(tmp_path / "missing.pem", {})


def test_a_tilde_is_the_home_directory(bundle, monkeypatch):
    monkeypatch.setenv("HOME", str(bundle.parent))
    assert choose_ca(Path("~/ca.pem"), {}) == CaCertificates(bundle, None)


def test_openssl_variables_name_the_certificates(bundle, folder):
    assert choose_ca(None, {"SSL_CERT_FILE": str(bundle)}) == CaCertificates(bundle, None)
    assert choose_ca(None, {"SSL_CERT_DIR": str(folder)}) == CaCertificates(None, folder)


def test_the_system_bundle_and_a_grid_directory_are_both_trusted(folder):
    chosen = choose_ca(None, {"X509_CERT_DIR": str(folder)})
    assert chosen.directory == folder
    assert chosen.file == choose_ca(None, {}).file


def test_missing_paths_in_the_environment_are_ignored():
    chosen = choose_ca(None, {"SSL_CERT_FILE": "/nonexistent", "SSL_CERT_DIR": "", "X509_CERT_DIR": "/nonexistent"})
    assert chosen == choose_ca(None, {})


def test_there_is_always_a_bundle_that_holds_certificates():
    chosen = choose_ca(None, {})
    assert ssl.create_default_context(cafile=chosen.verify).cert_store_stats()["x509_ca"] > 10


def test_without_a_system_bundle_certifi_is_used(monkeypatch):
    monkeypatch.setattr(ca, "_BUNDLES", ())
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: ssl.DefaultVerifyPaths(None, None, "", "", "", ""))
    assert choose_ca(None, {}).file == Path(certifi.where())


def test_requests_gets_the_bundle_or_else_the_directory(bundle, folder):
    assert CaCertificates(bundle, folder).verify == str(bundle)
    assert CaCertificates(None, folder).verify == str(folder)
