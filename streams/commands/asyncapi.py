"""`streams asyncapi`: the document of all topics, for generators and catalogues."""

from streams.commands.configured import configured
from streams.commands.console import machine
from streams.errors import ConfigError

__all__ = ["run"]


def run() -> int:
    """0, once the document is printed. Raises `ConfigError` without the extra `serve`."""
    from streams.commands.serve import installed

    if not installed():
        raise ConfigError("its packages are not installed: pip install 'streams[serve]'", file="asyncapi")
    from streams.asyncapi import document

    machine(document(configured()))
    return 0
