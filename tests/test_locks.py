"""The lock files: complete, hashed, free of addresses, and in step with pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "requirements-dev.lock", "scripts/uv.lock.txt")


def pins(name: str) -> dict[str, tuple[str, list[str]]]:
    """Version and hashes by package name. Entries of one package for several platforms must agree here."""
    found: dict[str, tuple[str, list[str]]] = {}
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    for line in filter(None, map(str.strip, text.splitlines())):
        match = re.fullmatch(r"([\w.-]+)==([^\s;]+)( ;[^\\]*?)?((?: +--hash=\S+)*)", line)
        assert match is not None, f"{name}: {line[:80]}"
        found[canonicalize_name(match[1])] = (match[2], re.findall(r"--hash=(\S+)", match[4]))
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_no_address_is_locked(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert "index-url" not in text


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_has_sha256_hashes(name: str) -> None:
    locked = pins(name)
    assert locked
    for package, (_, hashes) in locked.items():
        assert hashes, package
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes), package


def test_the_development_lock_contains_the_runtime_lock() -> None:
    development = pins("requirements-dev.lock")
    runtime = pins("requirements.lock")
    assert {name: development.get(name, ("missing", []))[0] for name in runtime} == {
        name: version for name, (version, _) in runtime.items()
    }


@pytest.mark.parametrize("group", ["runtime", "dev"])
def test_the_locks_satisfy_pyproject(group: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    runtime = group == "runtime"
    declared = project["project"]["dependencies"] if runtime else project["dependency-groups"]["dev"]
    locked = pins("requirements.lock" if runtime else "requirements-dev.lock")
    for requirement in map(Requirement, declared):
        version, _ = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version, prereleases=True), f"{requirement}: run scripts/lock.sh"
