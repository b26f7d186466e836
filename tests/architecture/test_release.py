"""What a release says of itself agrees: the locked versions, the oldest ones, and the version in each place."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]


def asked_for(parts: str) -> list[Requirement]:
    """What `bin/venv` needs for extras and groups, as the name of a file in bin/locks has them."""
    extras, *groups = parts.split("+")
    lines = PROJECT["dependencies"] + PYPROJECT["build-system"]["requires"]
    lines += [line for extra in extras.split(",") for line in PROJECT["optional-dependencies"][extra]]
    lines += [line for group in groups for line in PYPROJECT["dependency-groups"][group]]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("lock", sorted((ROOT / "bin/locks").iterdir()), ids=lambda path: path.stem)
def test_a_lock_file_has_each_dependency_in_a_version_that_the_project_allows(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text  # each user has a registry of their own
    entries = re.findall(r"^([\w.-]+)==(\S+).*\\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.MULTILINE)
    assert len(entries) == len(re.findall("^[a-z]", text, re.MULTILINE)), "a version without its hashes"
    locked: dict[str, list[str]] = {}
    for name, version, _ in entries:
        locked.setdefault(name, []).append(version)
    wrong = [
        str(requirement)
        for requirement in asked_for(lock.stem)
        if not any(map(requirement.specifier.contains, locked.get(canonicalize_name(requirement.name), [])))
    ]
    assert wrong == [], "run bin/lock --keep"


def test_each_dependency_of_the_wheel_has_a_lowest_version_which_bin_versions_installs() -> None:
    lines = PROJECT["dependencies"] + [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    assert [line for line in lines if ">=" not in line] == []


def test_changelog_and_citation_have_the_version_of_the_project() -> None:
    version = PROJECT["version"]
    newest = re.search(r"^## \[(.*?)\]", (ROOT / "docs/changelog.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == version
    assert f'\nversion: "{version}"\n' in (ROOT / "CITATION.cff").read_text()
