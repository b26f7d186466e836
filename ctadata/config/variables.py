"""Every environment variable that the program looks at, in one table."""

from __future__ import annotations

from dataclasses import dataclass

from ctadata.config.keys import KEYS


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable; the value of a secret one is never shown."""

    name: str
    meaning: str
    secret: bool = False


CHOICE = (
    Variable("CTADATA_PROFILE", "the profile to use"),
    Variable("CTADATA_CONFIG", "the file of settings"),
    Variable("CTADATA_DEBUG", "1 for every step on stderr, as -v -v does"),
)

KEYED = tuple(Variable(key.variable, key.meaning) for key in KEYS)

TOKENS = (
    Variable("CTADATA_CLIENT_SECRET", "the client's secret, where it has one", secret=True),
    Variable("BEARER_TOKEN", "a token to use instead of the agent's", secret=True),
    Variable("BEARER_TOKEN_FILE", "a file with such a token"),
    Variable("OIDC_SOCK", "where an oidc-agent listens that may have the account ctadata-<profile>"),
)

SYSTEM = (
    Variable("_CTA_DATA_DIRECT_COMPLETE", "set by the shells' scripts of completion"),
    Variable("SSL_CERT_FILE", "a PEM file with the CA certificates to trust"),
    Variable("SSL_CERT_DIR", "a directory of such certificates, with hashed names"),
    Variable("X509_CERT_DIR", "a grid's directory of CA certificates, trusted beside the system's"),
    Variable("HTTPS_PROXY", "the proxy to go through, also https_proxy"),
    Variable("ALL_PROXY", "the same, also all_proxy"),
    Variable("NO_PROXY", "hosts to go to directly, also no_proxy"),
    Variable("XDG_RUNTIME_DIR", "where tokens of the WLCG convention are looked for, as bt_u<uid>"),
    Variable("NO_COLOR", "anything for no colours"),
    Variable("FORCE_COLOR", "anything for colours, whatever the terminal says of itself"),
    Variable("TERM", "dumb for plain lines in place of progress bars"),
)

VARIABLES = (*CHOICE, *KEYED, *TOKENS, *SYSTEM)
