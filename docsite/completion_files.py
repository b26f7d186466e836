"""Completion files for the folders where bash, zsh and fish look for them; the scripts are those of the program."""

from __future__ import annotations

import os
import subprocess
import sys

from docsite.commands import PROGRAMS, ROOT

PLACES = {
    "bash": "share/bash-completion/completions/{}",
    "zsh": "share/zsh/site-functions/_{}",
    "fish": "share/fish/vendor_completions.d/{}.fish",
}
"""The path of a shell's file below an installation's prefix; `{}` is the program."""
_RUN = "import sys; sys.argv = sys.argv[1:]; from ctadata.__main__ import main; main()"


def completion_files() -> dict[str, str]:
    """Return the text of each completion file by its path below the repository."""
    return {
        place.format(program): (_autoloaded(program) if shell == "zsh" else "") or _script(program, shell)
        for program in PROGRAMS
        for shell, place in PLACES.items()
    }


def _script(program: str, shell: str) -> str:
    """Return what `PROGRAM --show-completion SHELL` prints."""
    env = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    line = [sys.executable, "-c", _RUN, program, "--show-completion", shell]
    return subprocess.run(line, cwd=ROOT, env=env, check=True, capture_output=True, text=True).stdout.lstrip()


def _autoloaded(program: str) -> str:
    """Return the script for zsh, which also completes on the first Tab.

    zsh reads the file when it first completes the command, and then calls a function of the file's name (zshcompsys(1),
    "Autoloaded files"). The program's own script only defines another function at that time.
    """
    function = f"_{program.replace('-', '_')}_completion"
    return f'{_script(program, "zsh").rstrip()}\n\n[ "$funcstack[1]" = "_{program}" ] && {function} "$@"\n'
