"""The texts of `help TOPIC`: what holds for all commands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TOPICS = {
    "paths": """Paths on the storage start from its root, with or without a slash in front.

\b
  lst/run1          from the root
  home:run1         in your home; '~/run1' in quotes is the same
  mine:lst/run1     at the site of the profile "mine"
  s3://bucket/key   at an S3 store
  'lst/run_*/*.h5'  all that match; quotes keep it from the shell

Only the target of put starts from your home by itself. sync, copy and cp
take local paths too, so there a path on the storage is written as :lst/run1
or home:run1. A slash at the end of a directory means its contents.
""",
    "exit-codes": """Exit codes:

\b
  0    done, or nothing to do
  1    any other failure
  2    the command or a setting is wrong, or the storage cannot do this
  3    no such file or directory
  4    not allowed: log in, or a permission is missing, or no trust
  5    temporary failure: try again later
  6    some files are done, others failed or were passed over
  7    integrity: the bytes are not what the other side says
  8    the name exists already and may not be replaced
  9    the pattern matches nothing
  10   the file is on tape and must be staged
  11   no space left, or a local file cannot be read or written
  124  no answer within the time limit
  130  stopped by Ctrl-C
  143  stopped by SIGTERM
""",
}
"""The text of each topic. Settings are explained by `config --keys`."""


def topic_text(name: str) -> str | None:
    """Return the text of a topic; None if there is no such topic."""
    text = TOPICS.get(name)
    return None if text is None else text.replace("\b\n", "")


def cp_text(commands: Mapping[str, Any]) -> str:
    """Return the help of `cp`: the commands that it stands for, with their examples.

    Args:
        commands: The commands of the program by their names.
    """
    names = [name for name in ("get", "put", "copy") if name in commands]
    text = f"cp stands for {', '.join(names[:-1])} or {names[-1]}: home:x, :x and profile:x are on the storage.\n"
    for name in names:
        summary, _, rest = commands[name].real.help.partition("\n\n\b\n")
        text += f"\n{name}: {summary}\n\n{rest.partition(chr(10) * 2)[0]}\n"
    return text
