"""Compiled modules of the core, once more from their source: ordinary Python beside the C that was made of it."""

import sys
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

__all__ = ["interpreted"]

CORE = Path(__file__).resolve().parents[1] / "streams" / "core"


def interpreted(modules: Sequence[str]) -> dict[str, ModuleType]:
    """Name -> module of `streams.core` from its source, importing each other so; in the order in which they import each other. What was
    imported before is untouched."""
    names = {name: f"streams.core.{name}" for name in modules}
    before = {name: sys.modules.pop(name) for name in names.values() if name in sys.modules}
    try:
        for name, full in names.items():
            loader = SourceFileLoader(full, str(CORE / f"{name}.py"))
            spec = spec_from_loader(full, loader)
            assert spec is not None
            sys.modules[full] = module_from_spec(spec)
            loader.exec_module(sys.modules[full])
        return {name: sys.modules[full] for name, full in names.items()}
    finally:
        sys.modules.update(before)
