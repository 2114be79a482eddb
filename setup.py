"""Compiles the hot core where a C compiler is present; without one the same modules run interpreted, with the same results.

Everything else about the package stands in pyproject.toml.
"""

import os

from setuptools import Extension, setup

#: Modules of `streams.core` that are written to be compiled: ordinary Python, and C types in the .pxd beside it.
COMPILED = ("event", "identity", "lifetime", "panes", "recent", "rhythm", "score", "user", "writer")

#: No fast-math and no fused multiply-add: compiled and interpreted must round alike, on every machine.
FLAGS = ["-O3", "-ffp-contract=off", "-fno-fast-math", "-g0", "-w"]  # -w: nobody reads generated C


def extensions() -> list[Extension]:
    """The compiled modules; none when Cython is missing or `STREAMS_PURE=1` asks for a wheel without compiled code."""
    if os.environ.get("STREAMS_PURE") == "1":
        return []
    try:
        from Cython.Build import cythonize
    except ImportError:
        return []
    modules = [
        Extension(
            f"streams.core.{name}",
            [f"streams/core/{name}.py"],
            # in the source archive, too
            depends=[f"streams/core/{each}.pxd" for each in COMPILED],
            extra_compile_args=FLAGS,
        )
        for name in COMPILED
    ]
    compiled: list[Extension] = cythonize(modules, build_dir="build", compiler_directives={"language_level": 3}, quiet=True)
    for module in compiled:
        module.optional = True  # without a compiler the build goes on
    return compiled


setup(ext_modules=extensions())
