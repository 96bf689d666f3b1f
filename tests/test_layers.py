"""Imports go one way: what comes later in the flow knows what comes before it, and never the other way round.

Imports inside functions count; imports for type checkers alone do not.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "procache"

#: The flow. A module or package imports only from lines above its own, and from its own package.
LAYERS = (
    "native errors digests copying",
    "model",
    "events world",
    "store",
    "config",
    "program pipeinput summary",
    "capture replay",
    "verify",
    "plain",
    "tracer",
    "front",
    "run diagnose",
    "report",
    "cli",
    "__main__",
)
RANKS = {part: rank for rank, line in enumerate(LAYERS) for part in line.split()}
#: Other people's packages, and who may import them.
THIRD_PARTIES = {
    "ptrace": {"procache.tracer"},
    "structlog": {"procache.tracer.tracelog"},
    "xxhash": {"procache.digests"},
    "msgpack": {"procache.model.record", "procache.model.traits", "procache.store", "procache.report"},
    "backports": {"procache.store.zstd"},
}
FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """The dotted name of a module."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES}


def imports(tree: ast.AST) -> Iterator[tuple[str, str, int]]:
    """(module, name or "", line) of every import that happens at run time."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for other in node.orelse:
                yield from imports(other)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"line {node.lineno}: a relative import"
            for alias in node.names:
                yield node.module or "", alias.name, node.lineno
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, "", node.lineno
        else:
            yield from imports(node)


def imported(path: Path) -> list[tuple[str, int]]:
    """(dotted name, line) of every module that a file imports; submodules by their own name."""
    found = []
    for module, name, line in imports(ast.parse(path.read_text())):
        inner = f"{module}.{name}"
        found.append((inner if inner in MODULES else module, line))
    return found


def part(module: str) -> str:
    """The part of the flow that a module belongs to; "" for the package itself, which holds the version only."""
    return module.partition(".")[2].partition(".")[0]


GRAPH = {name: imported(path) for name, path in MODULES.items()}


def test_every_module_has_its_place() -> None:
    assert {part(name) for name in MODULES} - {""} == set(RANKS)


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_only_forward(name: str) -> None:
    wrong = [
        f"{name}, line {line}: {other}"
        for other, line in GRAPH[name]
        if other.startswith("procache.") and part(other) != part(name) and RANKS[part(other)] >= RANKS[part(name)]
    ]
    assert wrong == []


def test_nothing_imports_itself_by_a_detour() -> None:
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join((*way, name))
        if name in done:
            return
        for other, _ in GRAPH.get(name, ()):
            if other in MODULES:
                visit(other, (*way, name))
        done.add(name)

    for name in MODULES:
        visit(name, ())


@pytest.mark.parametrize("package", THIRD_PARTIES)
def test_other_peoples_packages_have_one_home(package: str) -> None:
    users = {name for name, found in GRAPH.items() for other, _ in found if other.partition(".")[0] == package}
    homes = THIRD_PARTIES[package]
    assert users, "nobody imports it any more"
    assert {user for user in users if not any(f"{user}.".startswith(f"{home}.") for home in homes)} == set()


def test_everything_imported_exists() -> None:
    missing = {
        (name, other)
        for name, found in GRAPH.items()
        for other, _ in found
        if other.partition(".")[0] == "procache" and other not in MODULES
    }
    assert missing == set()


def test_the_architecture_page_names_every_module_and_no_other() -> None:
    page = (PACKAGE.parent / "docs" / "architecture.md").read_text()
    named = set(re.findall(r"`(?:\w+/)?(\w+\.(?:py|c|h))`", page))
    sources = [path for pattern in ("*.py", "*.c", "*.h") for path in PACKAGE.rglob(pattern)]
    there = {path.name for path in sources} - {"__init__.py", "__main__.py"}
    assert (sorted(there - named), sorted(named - there)) == ([], [])
