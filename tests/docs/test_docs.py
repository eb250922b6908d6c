"""The documents say what is true: files, functions, links, settings and codes that they name exist."""

import re
from pathlib import Path

import pytest

from fortified.engine.inputs import DenialCode
from fortified.settings import Settings

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "src" / "fortified"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
ALLOWED_URL = re.compile(r"(https?|wss?)://(localhost|127\.0\.0\.1)\b|(redis|rediss|unix)://")
PATH = re.compile(r"[\w.-]+(/[\w.-]+)+/?|\w+/|[\w-]+\.(?:py|md|sh|toml)")
FUNCTION = re.compile(r"([\w/]+\.py):(\w+)")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def code_spans(page: Path) -> list[str]:
    return re.findall(r"`([^`\n]+)`", prose(page))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def find(name: str) -> Path | None:
    return next((path for path in (ROOT / name, SOURCES / name) if path.exists()), None)


def setting_keys() -> set[str]:
    return {name.upper() for name in Settings.model_fields}


def test_architecture_and_decisions_name_existing_files() -> None:
    pages = [ROOT / "docs" / "architecture.md", *(ROOT / "docs" / "adr").glob("*.md")]
    named = {span for page in pages for span in code_spans(page) if PATH.fullmatch(span)}
    assert len(named) > 30
    assert [name for name in sorted(named) if find(name) is None] == []


def test_architecture_names_existing_functions() -> None:
    found = [match.groups() for span in code_spans(ROOT / "docs" / "architecture.md") if (match := FUNCTION.fullmatch(span))]
    assert len(found) > 30
    for file, name in found:
        path = find(file)
        assert path is not None, f"{file} does not exist"
        defined = rf"^\s*(async def|def|class) {name}\b|^{name}\b.*="
        assert re.search(defined, path.read_text(encoding="utf-8"), re.MULTILINE), f"{file} has no {name}"


@each_page
def test_links_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        assert path.exists(), f"{target} leads nowhere"
        assert not anchor or anchor in anchors(path), f"{target}: no such heading"


@each_page
def test_no_address_outside_of_this_machine(page: Path) -> None:
    for line in page.read_text(encoding="utf-8").splitlines():
        assert "://" not in ALLOWED_URL.sub("", line), line


def test_readme_leads_with_the_two_commands() -> None:
    first_block = re.search(r"```\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert first_block is not None
    commands = [line.split()[0] for line in first_block[1].splitlines()]
    assert commands == ["./start_api.sh", "./run_tests.sh"]
    assert all((ROOT / command).is_file() for command in commands)


def test_env_example_has_every_setting_and_changes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    example = ROOT / ".env.example"
    lines = [line for line in example.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    keys = [line.partition("=")[0] for line in lines]
    assert sorted(keys) == sorted(setting_keys())
    for key in keys:
        monkeypatch.delenv(key, raising=False)
    assert Settings(_env_file=example) == Settings(_env_file=None)  # type: ignore[call-arg]  # pydantic-settings adds the argument


def test_operations_explains_every_setting() -> None:
    assert setting_keys() - set(code_spans(ROOT / "docs" / "operations.md")) == set()


def test_concepts_explains_every_denial() -> None:
    text = (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([A-Z_]+)` \|", text, re.MULTILINE) == [code.value for code in DenialCode]


def test_decisions_are_numbered_and_listed() -> None:
    pages = sorted(path.name for path in (ROOT / "docs" / "adr").glob("0*.md"))
    assert [int(name[:4]) for name in pages] == list(range(1, len(pages) + 1))
    assert re.findall(r"\]\((0\d+-[\w-]+\.md)\)", (ROOT / "docs" / "adr" / "README.md").read_text(encoding="utf-8")) == pages
