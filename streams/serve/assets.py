"""The page and its chart library, held in memory: compressed once, each with a tag, and the library only if it is the one we know."""

import gzip
import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from streams.errors import ConfigError

__all__ = ["ECHARTS_SHA256", "Asset", "Assets", "known", "load_assets"]

#: Apache ECharts 6.1.0, `echarts.esm.min.js`: the same bytes in the wheel and in the package of npm.
ECHARTS_SHA256: Final = "28515f26aa57f87eb1e4ed4eb446927eaf329b5f5e02b4bfd4b0264fea40d1da"

_PAGE: Final = Path(__file__).parent / "page"
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Asset(msgspec.Struct, frozen=True):
    """A file as it is sent."""

    kind: str
    tag: str
    plain: bytes
    packed: bytes

    def answer(self, request: Request) -> Response:
        """The file, or that the browser has it already."""
        headers = {"etag": self.tag, "cache-control": "no-cache", "vary": "accept-encoding"}
        if self.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(self.packed, headers=headers | {"content-encoding": "gzip"}, media_type=self.kind)
        return Response(self.plain, headers=headers, media_type=self.kind)


Assets = dict[str, Asset]


def load_assets() -> Assets:
    """Name -> file. Raises `ConfigError` when the chart library is missing or not the one that was looked at."""
    assets = {file.name: _asset(file.name, file.read_bytes()) for file in sorted(_PAGE.iterdir()) if file.suffix in _TYPES}
    return assets | {"echarts.js": _asset("echarts.js", _echarts())}


def _echarts() -> bytes:
    # Looked up, not imported: the wheel's own code is of no use here.
    found = find_spec("instaui_echarts")
    for folder in (found.submodule_search_locations or ()) if found else ():
        return known((Path(folder) / "static" / "echarts.esm.min.js").read_bytes())
    raise ConfigError("the page's chart library is not installed: pip install 'streams[serve]'")


def known(echarts: bytes) -> bytes:
    """`echarts`, which is the file we know. Raises `ConfigError` for any other: it would run in the browsers of all who look."""
    if hashlib.sha256(echarts).hexdigest() != ECHARTS_SHA256:
        raise ConfigError("echarts.esm.min.js is not the file that it should be: pip install --force-reinstall instaui-echarts==0.8.0")
    return echarts


def _asset(name: str, content: bytes) -> Asset:
    tag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    return Asset(_TYPES[Path(name).suffix], tag, content, gzip.compress(content, 9, mtime=0))
