"""The recipe of CONTRIBUTING.md for a new command works as it is written."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

from ctadata.sandbox import Sandbox

PAGE = Path(__file__).parents[2] / "CONTRIBUTING.md"
NEW_COMMAND = """
import sys, types
from ctadata.cli.command_table import DIRECT_COMMANDS, CommandEntry
module = types.ModuleType("ctadata.cli.commands.count")
exec(sys.stdin.read(), vars(module))
sys.modules[module.__name__] = module
next(iter(DIRECT_COMMANDS.values()))["count"] = CommandEntry("count", "count", "Count the names in a directory.")
sys.argv = ["cta-data-direct", "count", "lst/counted"]
from ctadata.__main__ import main
main()
"""


def test_the_command_of_the_recipe_counts_names(tmp_path: Path) -> None:
    [code] = re.findall(r'^ *```python\n( *"""The command.*?)^ *```$', PAGE.read_text(), re.MULTILINE | re.DOTALL)
    with Sandbox() as box:
        box.files.put("/lst/counted/a", b"a")
        box.files.put("/lst/counted/b", b"b")
        settings = tmp_path / "config.toml"
        settings.write_text(box.profile_toml("sandbox"))
        env = {**os.environ, "CTADATA_CONFIG": str(settings), "CTADATA_PROFILE": "sandbox", "BEARER_TOKEN": box.token()}
        ended = subprocess.run(
            [sys.executable, "-c", NEW_COMMAND],
            input=textwrap.dedent(code),
            env=env | {"XDG_STATE_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert (ended.returncode, ended.stdout) == (0, "2\n"), ended.stderr
