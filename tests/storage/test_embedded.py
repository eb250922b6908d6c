"""The embedded Redis against its promises: real servers, real processes, real kill -9."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
import redis

from fortified.domain.errors import ConfigError
from fortified.storage.embedded import EmbeddedRedis, EmbeddedRedisError
from fortified.storage.embedded_binary import SERVER_VARIABLE, find_server

SOURCES = Path(__file__).parents[2] / "src"

# Starts on the directory it is given, tells what became of it, obeys: "check", or the end of its input.
CHILD = """
import json, os, sys
from pathlib import Path
from fortified.storage.embedded import EmbeddedRedis
server = EmbeddedRedis(Path(sys.argv[1]))
sys.stdin.readline() if "wait" in sys.argv else None
server.start()
if "fork" in sys.argv and os.fork() == 0:
    os.close(1)
    while True:
        sys.stdin.readline() or os._exit(0)
print(json.dumps([server.owner, server.url, server.server_pid]), flush=True)
for line in sys.stdin:
    print(json.dumps([server.ensure_running(), server.url, server.server_pid]), flush=True)
server.stop()
"""


class Child:
    """A process of its own that starts, or attaches to, the server of a directory."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.owner = False
        self.url = ""
        self.server_pid: int | None = None

    def listen(self) -> None:
        assert self.process.stdout is not None
        self.owner, self.url, self.server_pid = json.loads(self.process.stdout.readline())

    def send(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()


@contextmanager
def child(data_dir: Path, *options: str) -> Iterator[Child]:
    command = [sys.executable, "-c", CHILD, str(data_dir), *options]
    environment = os.environ | {"PYTHONPATH": str(SOURCES)}
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Child(process)
        finally:
            process.kill()


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not yet collected does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.strip().startswith("Z")


def set_value(url: str, key: str, value: str) -> None:
    with closing(redis.Redis.from_url(url)) as client:
        client.set(key, value)


def get_value(url: str, key: str) -> str | None:
    with closing(redis.Redis.from_url(url, decode_responses=True)) as client:
        value = client.get(key)
    assert value is None or isinstance(value, str)
    return value


def kill_server(server: EmbeddedRedis) -> int:
    pid = server.server_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: not is_alive(pid))
    return pid


def test_it_keeps_its_data_over_an_orderly_restart(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path / "data") as server:
        set_value(server.url, "k", "v")
    with EmbeddedRedis(tmp_path / "data") as server:
        assert get_value(server.url, "k") == "v"


def test_only_its_owner_can_read_what_it_writes(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path / "data") as server:
        set_value(server.url, "k", "v")
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0
    files = [path for path in (tmp_path / "data").rglob("*.aof") if path.is_file()]
    assert files
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)


@pytest.mark.parametrize("name", ["with space", "100%25#?&", "größe"])
def test_any_directory_name_makes_a_valid_url(tmp_path: Path, name: str) -> None:
    with EmbeddedRedis(tmp_path / name) as server:
        set_value(server.url, "k", "v")
        assert get_value(server.url, "k") == "v"
        assert (tmp_path / name / "appendonlydir").is_dir()


def test_a_long_directory_gets_a_short_socket_that_stays_the_same(tmp_path: Path) -> None:
    long = tmp_path / ("d" * 120)
    urls = set()
    for _ in range(2):
        with EmbeddedRedis(long) as server:
            urls.add(server.url)
            assert len(os.fsencode(server.url.removeprefix("unix://"))) <= 100
            set_value(server.url, "k", "v")
    assert len(urls) == 1
    Path(urls.pop().removeprefix("unix://")).parent.rmdir()


def test_a_second_start_attaches_and_its_stop_leaves_the_server_alone(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as first:
        second = EmbeddedRedis(tmp_path)
        second.start()
        assert (first.owner, second.owner) == (True, False)
        assert second.url == first.url
        assert second.ensure_running() is False
        second.stop()
        set_value(first.url, "k", "v")
        assert get_value(first.url, "k") == "v"


def test_of_several_first_starts_at_once_one_wins_and_the_others_attach(tmp_path: Path) -> None:
    with ExitStack() as stack:
        children = [stack.enter_context(child(tmp_path, "wait")) for _ in range(3)]
        for each in children:
            each.send("go")
        for each in children:
            each.listen()
        assert sorted(each.owner for each in children) == [False, False, True]
        assert len({each.url for each in children}) == 1
        set_value(children[0].url, "k", "v")
        assert get_value(children[1].url, "k") == "v"


def test_the_server_dies_with_a_killed_parent_and_every_entry_is_still_there(tmp_path: Path) -> None:
    with child(tmp_path) as parent:
        parent.listen()
        pid = parent.server_pid
        assert pid is not None
        for number in range(100):
            set_value(parent.url, f"k{number}", str(number))
        parent.process.kill()
        assert eventually(lambda: not is_alive(pid))
    with EmbeddedRedis(tmp_path) as server:
        assert server.owner
        assert [get_value(server.url, f"k{number}") for number in range(100)] == [str(n) for n in range(100)]


def test_a_start_right_after_the_parent_was_killed_waits_for_the_old_server(tmp_path: Path) -> None:
    with child(tmp_path) as parent:
        parent.listen()
        set_value(parent.url, "k", "v")
        parent.process.kill()
        parent.process.wait()
        with EmbeddedRedis(tmp_path) as server:
            assert server.owner
            assert get_value(server.url, "k") == "v"


def test_a_forked_child_that_lives_on_does_not_keep_the_server(tmp_path: Path) -> None:
    with child(tmp_path, "fork") as parent:
        parent.listen()
        pid = parent.server_pid
        assert pid is not None
        os.kill(parent.process.pid, signal.SIGKILL)
        assert eventually(lambda: not is_alive(pid))
        with EmbeddedRedis(tmp_path) as server:
            assert server.owner


def test_a_killed_server_comes_back_at_the_same_address_with_its_data(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as server:
        url = server.url
        for round_ in range(3):
            set_value(url, f"k{round_}", "v")
            old = kill_server(server)
            assert server.ensure_running() is True
            assert server.server_pid != old
            assert server.url == url
            assert [get_value(url, f"k{n}") for n in range(round_ + 1)] == ["v"] * (round_ + 1)
        assert server.ensure_running() is False


def test_a_server_whose_socket_was_swept_away_becomes_reachable_again(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as server:
        set_value(server.url, "k", "v")
        (tmp_path / "redis.sock").unlink()
        assert server.ensure_running() is True
        assert get_value(server.url, "k") == "v"


def test_nobody_else_takes_a_directory_whose_owner_has_yet_to_restart_its_server(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as owner:
        attached = EmbeddedRedis(tmp_path)
        attached.start()
        kill_server(owner)
        assert attached.ensure_running() is False
        assert owner.ensure_running() is True
        attached.stop()


def test_an_attached_process_takes_over_when_the_owner_is_killed(tmp_path: Path) -> None:
    with child(tmp_path) as owner:
        owner.listen()
        heir = EmbeddedRedis(tmp_path)
        heir.start()
        url = heir.url
        set_value(url, "k", "v")
        owner.process.kill()
        assert eventually(heir.ensure_running)
        assert heir.owner
        assert heir.url == url
        assert get_value(url, "k") == "v"
        heir.stop()


def test_one_of_many_heirs_takes_over(tmp_path: Path) -> None:
    with ExitStack() as stack:
        owner = EmbeddedRedis(tmp_path)
        owner.start()
        heirs = [stack.enter_context(child(tmp_path)) for _ in range(3)]
        for heir in heirs:
            heir.listen()
            assert heir.owner is False
        owner.stop()
        for heir in heirs:
            heir.send("check")
        for heir in heirs:
            heir.listen()
        assert sum(heir.server_pid is not None for heir in heirs) == 1


def test_after_stop_nothing_starts_again(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path)
    server.start()
    pid = server.server_pid
    assert pid is not None
    server.stop()
    server.stop()
    assert server.ensure_running() is False
    assert not is_alive(pid)
    assert not (tmp_path / "redis.sock").exists()


def test_stop_while_another_thread_checks_leaves_no_server(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path)
    server.start()
    done = threading.Event()
    pids = set()

    def check() -> None:
        while not done.is_set():
            server.ensure_running()
            pids.add(server.server_pid)

    watcher = threading.Thread(target=check)
    watcher.start()
    server.stop()
    done.set()
    watcher.join()
    assert not any(is_alive(pid) for pid in pids if pid is not None)


def incremental_file(data_dir: Path) -> Path:
    (found,) = (data_dir / "appendonlydir").glob("*.incr.aof")
    return found


def test_a_torn_last_write_is_dropped_and_the_rest_loads(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as server:
        set_value(server.url, "k", "v")
    with incremental_file(tmp_path).open("ab") as file:
        file.write(b"*3\r\n$3\r\nSET\r\n$4\r\nto")
    with EmbeddedRedis(tmp_path) as server:
        assert get_value(server.url, "k") == "v"
        assert get_value(server.url, "torn") is None


def test_a_file_the_server_refuses_is_an_error_with_the_servers_words(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as server:
        set_value(server.url, "k", "v")
    incremental_file(tmp_path).write_bytes(b"nonsense\r\n" * 10)
    with pytest.raises(EmbeddedRedisError, match=r"(?s)Bad file format.*redis\.log.*FORTIFIED_DATA_DIR"):
        EmbeddedRedis(tmp_path).start()


def test_a_failed_start_leaves_the_directory_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SERVER_VARIABLE, str(tmp_path / "missing"))
    with pytest.raises(EmbeddedRedisError, match=r"missing.*unset it to use the bundled one"):
        EmbeddedRedis(tmp_path / "data").start()
    monkeypatch.delenv(SERVER_VARIABLE)
    with EmbeddedRedis(tmp_path / "data") as server:
        assert server.owner


def test_a_failed_restart_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedRedis(tmp_path) as server:
        set_value(server.url, "k", "v")
        kill_server(server)
        monkeypatch.setenv(SERVER_VARIABLE, "/dev/null")
        with pytest.raises(EmbeddedRedisError):
            server.ensure_running()
        monkeypatch.delenv(SERVER_VARIABLE)
        assert server.ensure_running() is True
        assert get_value(server.url, "k") == "v"


def test_a_directory_that_cannot_be_written_is_an_error_with_the_fix(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"file/data cannot be written.*FORTIFIED_DATA_DIR.*REDIS_URL"):
        EmbeddedRedis(tmp_path / "file" / "data").start()


def test_a_directory_held_by_a_silent_process_is_an_error_with_the_fix(tmp_path: Path) -> None:
    with (tmp_path / "redis.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(EmbeddedRedisError, match=r"in use by process.*Stop that process"):
            EmbeddedRedis(tmp_path).start(timeout_s=0.1)


def test_no_address_before_the_start(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedRedisError, match=r"call start\(\) first"):
        _ = EmbeddedRedis(tmp_path).url


def test_a_server_named_in_the_environment_is_the_one_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = tmp_path / "server"
    named.symlink_to(find_server())
    monkeypatch.setenv(SERVER_VARIABLE, str(named))
    assert find_server() == named
    with EmbeddedRedis(tmp_path / "data") as server:
        set_value(server.url, "k", "v")
        assert get_value(server.url, "k") == "v"
