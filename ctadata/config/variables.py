"""All environment variables that the program reads, in one table."""

from __future__ import annotations

from typing import NamedTuple

from ctadata.config.keys import KEYS


class Variable(NamedTuple):
    """One environment variable.

    Attributes:
        name: Its name.
        meaning: One sentence for the reference.
        secret: Whether its value is a secret, which is never shown.
    """

    name: str
    meaning: str
    secret: bool = False


GENERAL = (
    Variable("CTADATA_PROFILE", "the profile to use"),
    Variable("CTADATA_CONFIG", "the settings file"),
    Variable("CTADATA_DEBUG", "1 to log every step to stderr, as -v -v does"),
    Variable("CTADATA_NO_INPUT", "any text to fail in place of a question, as --no-input does"),
    Variable("CTADATA_CACHE_SIZE", "the bytes that the local copies of remote files may have together, as 20G"),
    Variable("CTADATA_NO_COLOR", "any text for no colours, as --no-color does"),
)
"""The variables that choose the profile and the output."""

PROFILE_KEYS = tuple(Variable(key.variable, key.meaning) for key in KEYS)
"""The variables that set a key of the profile."""

TOKENS = (
    Variable("CTADATA_CLIENT_SECRET", "the client secret, if there is one", secret=True),
    Variable("BEARER_TOKEN", "a token to use in place of the agent's", secret=True),
    Variable("BEARER_TOKEN_FILE", "a file with such a token"),
    Variable("AWS_ACCESS_KEY_ID", "for s3: an access key, if the profile has none"),
    Variable("AWS_SECRET_ACCESS_KEY", "for s3: the secret of that key", secret=True),
    Variable("AWS_SESSION_TOKEN", "for s3: the session token of a temporary key", secret=True),
    Variable("AWS_CREDENTIAL_EXPIRATION", "for s3: the time at which a temporary key expires"),
    Variable("AWS_PROFILE", "for s3: the section of ~/.aws that holds the access key"),
    Variable("AWS_CONFIG_FILE", "for s3: a file in place of ~/.aws/config"),
    Variable("AWS_SHARED_CREDENTIALS_FILE", "for s3: a file in place of ~/.aws/credentials"),
    Variable("OIDC_SOCK", "the socket of an oidc-agent that may have the account ctadata-<profile>"),
)
"""The variables that hold tokens, keys and secrets."""

PLATFORM = (
    Variable("CTADS_URL", "the platform's download service, for cta-data and the functions of ctadata"),
    Variable("CTACS_URL", "the platform's certificate service"),
    Variable("CTACS_ALLOWED_CERT_KEYS", "the names under which certificates may be stored; cta,lst,arc"),
    Variable("JUPYTERHUB_API_TOKEN", "a token of the platform's hub", secret=True),
    Variable("JUPYTERHUB_USER", "the user of that token; if it is not set, the hub names the user"),
    Variable("JUPYTERHUB_PUBLIC_HUB_URL", "the hub of this session; its token goes to another hub only if you name it"),
    Variable("JUPYTERHUB_HOST", "as JUPYTERHUB_PUBLIC_HUB_URL, for older hubs"),
)
"""The variables of the JupyterHub platform."""

SYSTEM = (
    Variable("_CTA_DATA_DIRECT_COMPLETE", "set by the completion script of the shell"),
    Variable("_CTA_DATA_COMPLETE", "as _CTA_DATA_DIRECT_COMPLETE, for cta-data"),
    Variable("COMP_WORDS", "the words of the line that bash completes"),
    Variable("COMP_CWORD", "the number of the word with the cursor"),
    Variable("SSL_CERT_FILE", "a PEM file with the CA certificates to trust"),
    Variable("SSL_CERT_DIR", "a directory of such certificates, with hashed names"),
    Variable("X509_CERT_DIR", "a grid's directory of CA certificates, trusted beside the system's"),
    Variable("HTTPS_PROXY", "the proxy for https; also https_proxy"),
    Variable("ALL_PROXY", "the proxy for all protocols; also all_proxy"),
    Variable("NO_PROXY", "hosts that need no proxy; also no_proxy"),
    Variable("XDG_RUNTIME_DIR", "the directory of bt_u<uid>, a token file of the WLCG convention"),
    Variable("XDG_STATE_HOME", "the directory of tokens and logins; ~/.local/state"),
    Variable("XDG_CACHE_HOME", "the directory of records and local copies; ~/.cache"),
    Variable("NO_COLOR", "any text for no colours; many programs know this variable"),
    Variable("FORCE_COLOR", "any text for colours on every kind of output"),
    Variable("TERM", "dumb for plain lines in place of progress bars"),
    Variable("SHELL", "the shell that sandbox --shell opens"),
    Variable("TEXTUAL_DRIVER", "set by textual-serve, through which browse --web shows its screen"),
)
"""The variables of the shell, the system and other programs."""

VARIABLES = (*GENERAL, *PROFILE_KEYS, *TOKENS, *PLATFORM, *SYSTEM)
"""All variables."""
