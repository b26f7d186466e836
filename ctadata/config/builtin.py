"""The built-in profiles."""

from __future__ import annotations

from collections.abc import Mapping

_CTA: Mapping[str, object] = {
    "kind": "dcache",
    "issuer": "https://keycloak.cta.cscs.ch/realms/master/",
    "home": ("lst/users/{user}", "cta/users/{user}"),
    "user_claim": ("preferred_username", "email"),
    "user_rule": "cta",
    "notice": "Files you upload can be read by all CTAO members and by all users of the platform.",
}

BUILT_IN: Mapping[str, Mapping[str, object]] = {
    "cscs": {
        **_CTA,
        "door": "https://dcache.cta.cscs.ch:2880",
        "client_id": "dcache-cta-cscs-ch-users",
    },
    "cscs-dev": {
        **_CTA,
        "door": "https://dcache-dev.ctaodc.ch:2880",
        "client_id": "dcache-dev",
    },
}
"""The keys and values of the built-in profiles, by the profile's name."""

DEFAULT_PROFILE = "cscs"
"""The profile that counts if neither the user nor the settings file names one."""
DEVELOPMENT_PROFILE = "cscs-dev"
"""The profile of the development instance, for `--dev`."""
