"""What a strategy looks at besides what it is shown: files, programs, the network.

Owns two ways of seeing it: the interpreter's audit events, which tell the rest, and, where the kernel has inotify, the opening of the
watched files by whatever means. For a process of its own: an audit hook stays until the process ends.
"""

import ctypes
import os
import struct
import sys
import zoneinfo
from collections.abc import Iterable
from pathlib import Path
from typing import Any

IN_OPEN, IN_ISDIR = 0x20, 0x4000_0000
_EVENT = struct.Struct("iIII")
_CODE = {".py", ".pyc", ".pyi", ".so", ".pyd", ".pth", ".dylib"}
_PROGRAMS = {"subprocess.Popen", "os.system", "os.posix_spawn", "os.exec"}


class Witness:
    """Sees which of ``watched`` (files, or directories with all below) are opened, and what else is used."""

    def __init__(self, watched: Iterable[Path]) -> None:
        self._watched = [Path(os.path.realpath(path)) for path in watched]
        self._surroundings = {Path(place) for place in (sys.prefix, sys.base_prefix, "/proc", "/dev", "/sys", *zoneinfo.TZPATH)}
        self._opened: set[Path] = set()
        self._others: set[str] = set()
        self._kernel = _Inotify(self._watched)
        sys.addaudithook(self._on_event)

    def opened(self) -> list[str]:
        """The watched files that were opened so far."""
        return sorted(map(str, self._opened | set(self._kernel.opened())))

    def others(self) -> list[str]:
        """What else was used so far, in words."""
        return sorted(self._others)

    def _on_event(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            self._on_open(args[0])
        elif event == "socket.connect":
            self._others.add(f"the network ({args[1]})")
        elif event in _PROGRAMS:
            self._others.add(f"the program {args[0]}")

    def _on_open(self, name: object) -> None:
        if not isinstance(name, str | bytes | os.PathLike):
            return  # a descriptor that is open already
        path = Path(os.path.realpath(os.fsdecode(name)))
        if any(path.is_relative_to(watched) for watched in self._watched):
            self._opened.add(path)
        elif path.suffix not in _CODE and not any(path.is_relative_to(place) for place in self._surroundings):
            self._others.add(f"the file {path}")


class _Inotify:
    """The kernel's own account of opened files; sees nothing where there is no such account."""

    def __init__(self, watched: Iterable[Path]) -> None:
        self._paths: dict[int, Path] = {}
        self._descriptor = -1
        try:
            kernel = ctypes.CDLL(None)
            self._descriptor = kernel.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, AttributeError, TypeError):  # not Linux
            return
        for path in watched:
            for place in (path, *(below for below in path.rglob("*") if below.is_dir())):
                self._paths[kernel.inotify_add_watch(self._descriptor, os.fsencode(place), IN_OPEN)] = place

    def opened(self) -> Iterable[Path]:
        while self._descriptor >= 0:
            try:
                data = os.read(self._descriptor, 1 << 16)
            except BlockingIOError:
                return
            while data:
                watch, mask, _, length = _EVENT.unpack_from(data)
                name, data = data[_EVENT.size : _EVENT.size + length].rstrip(b"\0"), data[_EVENT.size + length :]
                if watch in self._paths and not mask & IN_ISDIR:
                    yield self._paths[watch] / os.fsdecode(name) if name else self._paths[watch]
