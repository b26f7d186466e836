"""The commands in bin/ before there is anything to run them with."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

HOUSE = Path(__file__).parents[2]
OLD = '#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2 && exit\nexit 1\n'


def test_an_old_python_is_refused_in_one_line(tmp_path):
    shutil.copytree(HOUSE / "bin", tmp_path / "bin")
    shutil.copy(HOUSE / "pyproject.toml", tmp_path)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("python3", "python3.11", "python3.12", "python3.13", "python3.14"):
        (programs / name).write_text(OLD)
        (programs / name).chmod(0o755)
    ran = subprocess.run(
        [tmp_path / "bin" / "test"],
        env=os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr == "ctadata needs Python 3.11 or newer; this machine has Python 3.9.2\n"
    assert not (tmp_path / ".venv").exists()
