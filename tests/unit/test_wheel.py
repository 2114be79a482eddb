"""The wheel: what is in it, that it runs on its own, that building it again gives the same bytes.

Built from a copy of the sources, without compiled code (STREAMS_PURE=1): compiling changes speed, not content.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "NOTICE", "streams", "config")


def build(folder: Path, **environment: str) -> Path:
    """A wheel, from a copy of the sources in `folder`."""
    source = folder / "source"
    source.mkdir(parents=True)
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.c"))
        else:
            shutil.copy(ROOT / name, source / name)
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1767225600", **environment}
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder / "dist"), str(source)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"), STREAMS_PURE="1")


def names(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


def test_configuration_is_in_the_wheel_to_the_byte(wheel: Path) -> None:
    """Every file of `config/` lies in `streams/_config/`."""
    files = [file for file in (ROOT / "config").rglob("*") if file.is_file()]
    archive = zipfile.ZipFile(wheel)
    assert len(files) >= 7
    for file in files:
        assert archive.read(f"streams/_config/{file.relative_to(ROOT / 'config')}") == file.read_bytes()


def test_all_modules_and_scripts_are_in_the_wheel(wheel: Path) -> None:
    """Every module, every Lua script, every file of the page, the mark of a typed package, the licence."""
    sources = {f"streams/{file.relative_to(ROOT / 'streams')}" for kind in ("*.py", "*.lua") for file in (ROOT / "streams").rglob(kind)}
    sources |= {f"streams/serve/page/{file.name}" for file in (ROOT / "streams" / "serve" / "page").iterdir()}
    assert sources <= names(wheel)
    assert "streams/py.typed" in names(wheel)
    assert {name.split("/")[-1] for name in names(wheel) if "dist-info/licenses" in name} == {"LICENSE", "NOTICE"}


def test_nothing_else_is_in_the_wheel(wheel: Path) -> None:
    """No tests, no build leftovers, nothing beside the package and its metadata."""
    assert {name.split("/")[0].partition("-")[0] for name in names(wheel)} == {"streams"}
    page = "streams/serve/page/"
    assert not [name for name in names(wheel) if name.endswith((".c", ".pyc", ".so", ".html")) and not name.startswith(page)]


def test_an_installed_wheel_runs_on_the_configuration_it_ships(wheel: Path, tmp_path: Path) -> None:
    """Away from the checkout, without a folder: the settings load, and come from inside the package."""
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    program = "import streams.settings as s; print(s.__file__); print(s.load(None, {}).rules.app_id)"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(site)}
    done = subprocess.run([sys.executable, "-P", "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    where, app_id = done.stdout.split()
    assert where.startswith(str(site))
    assert app_id


def test_faust_finds_our_store_and_transport(wheel: Path) -> None:
    """The entry points by which Faust picks them, and the command."""
    (path,) = (name for name in names(wheel) if name.endswith("entry_points.txt"))
    text = zipfile.ZipFile(wheel).read(path).decode()
    assert "[faust.stores]\nredis = streams.shell.table:RedisStore" in text
    assert "[faust.transports]\nkafka-batches = streams.shell.transport:Transport" in text
    assert "[console_scripts]\nstreams = streams.cli:main" in text


def test_building_again_gives_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    """A release can be checked by anyone who builds it."""
    assert build(tmp_path, STREAMS_PURE="1").read_bytes() == wheel.read_bytes()


def test_without_a_compiler_the_wheel_is_built_all_the_same(tmp_path: Path) -> None:
    """A C compiler that always fails: no compiled module, every source module, no error."""
    content = names(build(tmp_path, CC="false"))
    assert "streams/core/user.py" in content
    assert not [name for name in content if name.endswith(".so")]
