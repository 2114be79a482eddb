"""Compiles the hot core where a C compiler is present; without one the same modules run interpreted, with the same results.

Everything else about the package stands in pyproject.toml.
"""

import os

from setuptools import Extension, setup

#: Modules of `streams` that are written to be compiled: ordinary Python, and C types in the .pxd beside it.
COMPILED = (
    "core/activity",
    "core/aggregates",
    "core/audience",
    "core/business",
    "core/correction",
    "core/event",
    "core/headers",
    "core/identity",
    "core/lifetime",
    "core/membership",
    "core/panes",
    "core/pending",
    "core/profile",
    "core/reader",
    "core/recent",
    "core/recordbatch",
    "core/rhythm",
    "core/score",
    "core/sessions",
    "core/slots",
    "core/state",
    "core/step/folds",
    "core/step/kin",
    "core/step/members",
    "core/step/routes",
    "core/step/says",
    "core/sums",
    "core/ticks",
    "core/ties",
    "core/user",
    "core/writer",
    "flow",
)

#: Cython's own code, which would else be a part of each module.
SHARED = "streams.core._cython"

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
            f"streams.{name.replace('/', '.')}",
            [f"streams/{name}.py"],
            extra_compile_args=FLAGS,
        )
        for name in COMPILED
    ]
    # What all of them need of Cython's typed memoryviews is compiled once.
    modules.append(Extension(SHARED, [f"{SHARED.replace('.', '/')}.c"], extra_compile_args=FLAGS))
    compiled: list[Extension] = cythonize(
        modules,
        build_dir="build",
        compiler_directives={"language_level": 3},
        shared_utility_qualified_name=SHARED,
        quiet=True,
    )
    for module in compiled:
        module.optional = True  # without a compiler the build goes on
    return compiled


setup(ext_modules=extensions(), options={"build_ext": {"parallel": os.cpu_count()}})
