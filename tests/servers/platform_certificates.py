"""The certificate service of the tests, and the certificates that users of it have."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, field
from email.utils import format_datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from flask import Blueprint, Response, jsonify, request
from servers.platform_hub import NO_SCOPE, Hub, Model, given_token, may_use, to_login

NAME = "certificateservice"
PREFIX = f"/services/{NAME}"
DAYS = 7  # how long a certificate may still be good for
TOO_LONG = f"certificate validity too long, please generate a short-lived (max {DAYS} day) certificate"
NO_BUNDLE = "certificateservice cabundle not configured, please contact your administrator"
BLOCK = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
Said = Response | tuple[Response | str, int]


class Refusal(Exception):
    """A certificate that the service does not hand out, in its own words."""


def fragment(name: str) -> str:
    """How a user's name appears in paths: the digits from 2 on become underscores, too."""
    return re.sub("[^0-1a-z]", "_", name.lower())


@dataclass
class Certificates:
    """What is stored, by user and key, below `folder`.

    bundle: PEM of the authorities; empty where nobody has configured them.
    keys: the keys that the certificate service knows; the download service has its own list.
    shared_users: who may use the shared certificate where they have none of their own.
    """

    folder: Path
    bundle: bytes = b""
    keys: tuple[str, ...] = ("cta", "lst")
    segments: tuple[str, ...] = ("lst", "cta", "arc")
    shared: bytes = b""
    shared_users: set[str] = field(default_factory=set)

    def file(self, user: str, key: str) -> Path:
        """Where a certificate lies; users with similar names have the same."""
        return self.folder / f"{fragment(user)}__{key}.crt"

    def key_of(self, path: str) -> str:
        """Which certificate the download service opens a path with."""
        first = path.split("/")[0]
        return first if first in self.segments else "arc"

    def of(self, user: str, key: str) -> bytes:
        """The certificate to use; Refusal where there is none."""
        own = self.file(user, key)
        if own.exists():
            return own.read_bytes()
        if user in self.shared_users and self.shared:
            return self.shared
        raise Refusal("You do not have any certificate configured")

    def store(self, user: str, key: str, pem: str) -> tuple[str | list[object], int]:
        """Keep it where it is good; what is said, and with which status."""
        if key not in self.keys:
            raise TypeError("exceptions must derive from BaseException")
        found = chain(pem)
        if not found:
            return "no valid certificate provided", 400
        now = datetime.datetime.now(datetime.UTC)
        if not self.bundle:
            return [NO_BUNDLE, 500], 200
        if not leads_to(found, x509.load_pem_x509_certificates(self.bundle), now):
            return "invalid certificate verification chain", 400
        if found[0].not_valid_after_utc.date() > now.date() + datetime.timedelta(DAYS):
            return [TOO_LONG, 400], 200
        self.folder.mkdir(exist_ok=True)
        self.file(user, key).write_text(pem)
        self.file(user, key).chmod(0o600)
        return format_datetime(found[0].not_valid_after_utc, usegmt=True), 200


def chain(pem: str) -> list[x509.Certificate]:
    """All certificates of the text, in its order; a key anywhere is passed over."""
    return [x509.load_pem_x509_certificate(block.encode()) for block in BLOCK.findall(pem)]


def leads_to(found: list[x509.Certificate], roots: list[x509.Certificate], now: datetime.datetime) -> bool:
    """Whether the first certificate leads to a root by the others, all of them still good."""
    current, others = found[0], found[1:]
    while current.not_valid_before_utc <= now <= current.not_valid_after_utc:
        if any(signed_by(current, root) for root in roots):
            return True
        above = next((other for other in others if signed_by(current, other)), None)
        if above is None:
            return False
        current, others = above, [other for other in others if other is not above]
    return False


def signed_by(certificate: x509.Certificate, other: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(other)
    except (InvalidSignature, TypeError, ValueError):
        return False
    return True


def service(hub: Hub, kept: Certificates) -> Blueprint:
    """Its addresses."""
    at = Blueprint(NAME, __name__, url_prefix=PREFIX)

    def refused() -> tuple[Model, Said | None]:
        """Who it is, and what else to say: a browser's way to log in, also to programs."""
        user = hub.user(given_token())
        if user is None:
            return {}, to_login(NAME)
        return user, None if may_use(user, NAME) else (NO_SCOPE, 403)

    @at.get("/health")
    def health() -> str:
        return "OK - CertificateService up and running"

    @at.get("/shared-certificate-status")
    def shared() -> Said:
        if good_now(kept.shared):
            return "OK - Shared certificate configured and valid", 200
        return "Unhealthy! - Shared certificate is outdated", 500

    @at.get("/")
    def page() -> Said:
        user, no = refused()
        if no:
            return no
        states = "".join(f"<li>{key}: {kept.file(user['name'], key).exists()}</li>" for key in ("arc", "cta", "lst"))
        return f"<html><body><ul>{states}</ul><form></form></body></html>", 200

    @at.get("/certificate")
    def hand_out() -> Said:
        if not request.args.get("user"):
            return "invalid user permissions for certificate service", 500
        try:
            found = kept.of(request.args["user"], request.args["certificate_key"])
        except Refusal as refusal:
            return str(refusal), 400
        return jsonify(certificate=found.decode(), cabundle=kept.bundle.decode())

    @at.post("/certificate")
    def take() -> Said:
        user, no = refused()
        if no:
            return no
        sent = request.get_json()
        said, status = kept.store(sent.get("user") or user["name"], sent["certificate_key"], sent["certificate"])
        return jsonify(message="Certificate stored", validity=said) if status == 200 else (str(said), status)

    @at.post("/main-certificate")
    def take_shared() -> Said:
        user, no = refused()
        if no:
            return no
        if not user["admin"]:
            return "access denied", 401
        sent = request.get_json()
        if not sent.get("certificate"):
            return "requests missing certificate or cabundle", 400
        return take_as_shared(kept, sent["certificate"])

    return at


def take_as_shared(kept: Certificates, pem: str) -> Said:
    """The certificate that all use; what is refused is refused with its own status here."""
    found, now = chain(pem), datetime.datetime.now(datetime.UTC)
    if not found or not leads_to(found, x509.load_pem_x509_certificates(kept.bundle), now):
        return "invalid certificate verification chain", 400
    if found[0].not_valid_after_utc.date() > now.date() + datetime.timedelta(DAYS):
        return TOO_LONG, 400
    kept.shared = pem.encode()
    return jsonify(message="Shared certificate stored", certificateUploaded=True)


def good_now(pem: bytes) -> bool:
    """Whether the first certificate is good today."""
    found = chain(pem.decode())
    return bool(found) and found[0].not_valid_after_utc > datetime.datetime.now(datetime.UTC)
