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
    Variable("BEARER_TOKEN", "a token to use instead of the agent's", secret=True),
    Variable("BEARER_TOKEN_FILE", "a file with such a token"),
)

SYSTEM = (
    Variable("XDG_RUNTIME_DIR", "where tokens of the WLCG convention are looked for, as bt_u<uid>"),
    Variable("NO_COLOR", "anything for no colours"),
    Variable("FORCE_COLOR", "anything for colours, whatever the terminal says of itself"),
    Variable("TERM", "dumb for plain lines in place of progress bars"),
)

VARIABLES = (*CHOICE, *KEYED, *TOKENS, *SYSTEM)
