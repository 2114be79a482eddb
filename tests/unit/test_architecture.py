"""The shape of the source tree, read by `ast`: who may import whom, what the pure part never touches, what is a dependency."""

import ast
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STREAMS = ROOT / "streams"
PURE = [*sorted((STREAMS / "core").rglob("*.py")), STREAMS / "flow.py"]
#: What makes a result depend on anything but the arguments.
IMPURE = {"faust", "mode", "redis", "aiokafka", "time", "random", "os", "logging", "asyncio", "socket", "threading", "uuid.uuid4"}
#: What the core may import beside the standard library.
CORE_PACKAGES = {"msgspec", "xxhash", "cython"}
#: Distribution names that are not the module's. `mode` and `yarl` are part of Faust's interface: its services, and the URLs it passes.
DISTRIBUTIONS = {
    "faust": "faust-streaming",
    "mode": "faust-streaming",
    "yarl": "faust-streaming",
    "crawleruseragents": "crawler-user-agents",
    "yaml": "pyyaml",
    "prometheus_client": "prometheus-client",
    "opentelemetry": "opentelemetry-sdk",
    "argon2": "argon2-cffi",
    "google_crc32c": "google-crc32c",
}
#: Modules may be about this long; longer ones are named by the report below, and above twice that it is an error.
LINES = 250


def imports(file: Path) -> Iterator[str]:
    """Dotted names of everything that `file` imports, wherever in it; names from packages of ours are resolved to modules."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.relative_to(ROOT)}: relative import (line {node.lineno})"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def ours(file: Path) -> set[str]:
    """The parts of `streams` that `file` imports: `core`, `shell`, `flow`, `errors`, ..."""
    return {name.split(".")[1] for name in imports(file) if name.startswith("streams.")}


def named(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("file", PURE, ids=named)
def test_the_pure_part_imports_nothing_impure(file: Path) -> None:
    """No clock, no random, no I/O, no logging, no Faust in `core/` and `flow.py`."""
    found = {name for name in imports(file) if name.split(".")[0] in IMPURE or name in IMPURE}
    assert found == set()


@pytest.mark.parametrize("file", sorted((STREAMS / "core").rglob("*.py")), ids=named)
def test_core_imports_core_and_errors(file: Path) -> None:
    """`core` imports the standard library, msgspec, xxhash, cython, and of ours only `core` and `errors`."""
    assert ours(file) <= {"core", "errors"}
    packages = {name.split(".")[0] for name in imports(file)} - {"streams"} - set(sys.stdlib_module_names)
    assert packages <= CORE_PACKAGES


def test_flow_imports_core_and_errors() -> None:
    """The main flow sees the core, and nothing that could do something."""
    assert ours(STREAMS / "flow.py") <= {"core", "errors"}


@pytest.mark.parametrize("file", sorted((STREAMS / "shell").rglob("*.py")), ids=named)
def test_shell_does_not_import_what_is_built_on_it(file: Path) -> None:
    """`app`, `cli`, the commands and the demo stand above the shell."""
    assert ours(file).isdisjoint({"app", "cli", "commands", "demo", "__main__"})


def test_nothing_but_the_worker_imports_faust() -> None:
    """Faust is the engine of the worker: everything else can be used, and imported fast, without it."""
    users = {file.relative_to(STREAMS).parts[0] for file in STREAMS.rglob("*.py") if "faust" in {n.split(".")[0] for n in imports(file)}}
    assert users <= {"shell", "app.py"}


def test_what_is_imported_is_a_declared_dependency() -> None:
    """Every package that `streams/` imports stands in pyproject.toml, under dependencies or under an extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"], *(each for extra in project["optional-dependencies"].values() for each in extra)]
    names = {re.split(r"[\[<>=~!; ]", each)[0].lower() for each in declared}
    imported = {name.split(".")[0] for file in STREAMS.rglob("*.py") for name in imports(file)}
    packages = imported - {"streams"} - set(sys.stdlib_module_names)
    assert {DISTRIBUTIONS.get(package, package).lower() for package in packages} <= names


def test_every_module_says_what_it_is() -> None:
    """Each begins with a docstring whose first line is one sentence."""
    silent = [named(file) for file in STREAMS.rglob("*.py") if not (ast.get_docstring(ast.parse(file.read_text())) or "").strip()]
    assert silent == []


def test_modules_fit_in_a_sitting(record_property: Callable[[str, object], None]) -> None:
    """About 250 lines: longer ones are reported, and twice that is too long."""
    lengths = {named(file): len(file.read_text().splitlines()) for file in STREAMS.rglob("*.py")}
    for name, lines in sorted(lengths.items(), key=lambda item: -item[1]):
        if lines > LINES:
            record_property(name, lines)
            print(f"{name}: {lines} lines")
    assert [name for name, lines in lengths.items() if lines > 2 * LINES] == []
