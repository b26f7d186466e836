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


GENERAL = (
    Variable("CTADATA_PROFILE", "the profile to use"),
    Variable("CTADATA_CONFIG", "the settings file"),
    Variable("CTADATA_DEBUG", "1 for every step on stderr, as -v -v does"),
    Variable("CTADATA_NO_INPUT", "anything for no questions: what would be asked fails, as with --no-input"),
    Variable("CTADATA_CACHE_SIZE", "the bytes that the local copies of remote files may have together, as 20G"),
    Variable("CTADATA_NO_COLOR", "anything for no colours, as with --no-color"),
)

PROFILE_KEYS = tuple(Variable(key.variable, key.meaning) for key in KEYS)

TOKENS = (
    Variable("CTADATA_CLIENT_SECRET", "the client's secret, where it has one", secret=True),
    Variable("BEARER_TOKEN", "a token to use instead of the agent's", secret=True),
    Variable("BEARER_TOKEN_FILE", "a file with such a token"),
    Variable("AWS_ACCESS_KEY_ID", "for s3: an access key, where the profile has none"),
    Variable("AWS_SECRET_ACCESS_KEY", "its secret", secret=True),
    Variable("AWS_SESSION_TOKEN", "the session token of a temporary one", secret=True),
    Variable("AWS_CREDENTIAL_EXPIRATION", "when that ends"),
    Variable("AWS_PROFILE", "the section of ~/.aws to take an access key from"),
    Variable("AWS_CONFIG_FILE", "a file in place of ~/.aws/config"),
    Variable("AWS_SHARED_CREDENTIALS_FILE", "a file in place of ~/.aws/credentials"),
    Variable("OIDC_SOCK", "where an oidc-agent listens that may have the account ctadata-<profile>"),
)

PLATFORM = (
    Variable("CTADS_URL", "the platform's download service, for cta-data and the functions of ctadata"),
    Variable("CTACS_URL", "the platform's certificate service"),
    Variable("CTACS_ALLOWED_CERT_KEYS", "the names that certificates may be kept under; cta,lst,arc"),
    Variable("JUPYTERHUB_API_TOKEN", "a token of the platform's hub", secret=True),
    Variable("JUPYTERHUB_USER", "whose token it is; without it the hub is asked"),
    Variable("JUPYTERHUB_PUBLIC_HUB_URL", "the hub of this session: its token goes to no other that nobody named"),
    Variable("JUPYTERHUB_HOST", "the same, of older hubs"),
)

SYSTEM = (
    Variable("_CTA_DATA_DIRECT_COMPLETE", "set by the shells' scripts of completion"),
    Variable("_CTA_DATA_COMPLETE", "the same for cta-data"),
    Variable("COMP_WORDS", "the words of the line that bash completes"),
    Variable("COMP_CWORD", "which of them the cursor is in"),
    Variable("SSL_CERT_FILE", "a PEM file with the CA certificates to trust"),
    Variable("SSL_CERT_DIR", "a directory of such certificates, with hashed names"),
    Variable("X509_CERT_DIR", "a grid's directory of CA certificates, trusted beside the system's"),
    Variable("HTTPS_PROXY", "the proxy to go through, also https_proxy"),
    Variable("ALL_PROXY", "the same, also all_proxy"),
    Variable("NO_PROXY", "hosts to go to directly, also no_proxy"),
    Variable("XDG_RUNTIME_DIR", "where tokens of the WLCG convention are looked for, as bt_u<uid>"),
    Variable("NO_COLOR", "the same, for all programs that know it"),
    Variable("FORCE_COLOR", "anything for colours, whatever the terminal says of itself"),
    Variable("TERM", "dumb for plain lines in place of progress bars"),
)

VARIABLES = (*GENERAL, *PROFILE_KEYS, *TOKENS, *PLATFORM, *SYSTEM)
