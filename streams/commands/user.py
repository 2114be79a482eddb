"""`streams user`: those who may sign in to the page, and links that sign in once."""

import asyncio
import getpass
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from streams.commands.console import console, machine, plain_table, printable
from streams.errors import ConfigError

if TYPE_CHECKING:
    from streams.serve.accounts import Account, Accounts

__all__ = ["add", "change_password", "link", "list_all", "remove"]


def add(name: str, roles: Sequence[str]) -> int:
    """0, once the file holds the new user. Raises `ConfigError`, also when there is one of that name."""
    accounts, file = _accounts()
    if file.exists() and accounts.find(name) is not None:
        raise ConfigError(
            f"{name} is there already: `streams user password` changes the password, `remove` takes the user out", file=str(file)
        )
    accounts.put(name, roles, _password())
    console().print(f"{printable(name)} may sign in as {', '.join(accounts.find(name).roles)}.")  # type: ignore[union-attr]
    console().print(
        f"The server reads {file} again by itself; it must have been started with STREAMS_USERS={file}.", style="dim", soft_wrap=True
    )
    return 0


def change_password(name: str) -> int:
    """0, once the user has another password. Raises `ConfigError` when there is no such user."""
    accounts, file = _accounts()
    accounts.put(name, _known(accounts, file, name).roles, _password())
    console().print(f"{printable(name)} has another password; who was signed in with the old one has to sign in again.")
    return 0


def remove(name: str) -> int:
    """0, once there is no such user. Raises `ConfigError` when there was none."""
    accounts, file = _accounts()
    _known(accounts, file, name)
    accounts.remove(name)
    console().print(f"{printable(name)} is signed out everywhere, and may not sign in any more.")
    return 0


def list_all(*, as_json: bool) -> int:
    """0. Tells everybody and their roles."""
    accounts, _ = _accounts()
    if as_json:
        machine([{"name": account.name, "roles": account.roles} for account in accounts.all])
        return 0
    table = plain_table("name", "roles")
    for account in accounts.all:
        table.add_row(printable(account.name), ", ".join(account.roles))
    console().print(table)
    return 0


def link(name: str | None, url: str) -> int:
    """0, once the link is printed. Raises `ConfigError` for an unknown user, `Unavailable` without Redis."""
    from streams.commands.configured import configured
    from streams.commands.connect import open_redis
    from streams.environment import users_file
    from streams.serve.roles import ROLES
    from streams.serve.sessions import LINK_S, Session, Sessions

    settings = configured()
    if name is not None or users_file(os.environ) is not None:
        if name is None:
            raise ConfigError("whose link? `streams user link NAME`", file="NAME")
        account = _known(*_accounts(), name)
        session = Session(account.name, account.roles, account.mark)
    else:
        session = Session("local", ROLES, "link")

    async def made() -> str:
        async with open_redis(settings) as redis:
            return await Sessions(redis, settings.rules.app_id, settings.serve.session_hours * 3600).link(session)

    console().print(f"{url.rstrip('/')}/login/{asyncio.run(made())}", soft_wrap=True)
    console().print(f"Signs in once, within {LINK_S // 60} minutes.", style="dim")
    return 0


def _accounts() -> "tuple[Accounts, Path]":
    from streams.commands.serve import installed
    from streams.environment import users_file

    if not installed():
        raise ConfigError("its packages are not installed: pip install 'streams[serve]'", file="user")
    from streams.serve.accounts import Accounts

    file = users_file(os.environ)
    if file is None:
        raise ConfigError("says which file holds the users, e.g. STREAMS_USERS=users.yaml", file="environment", path="STREAMS_USERS")
    return Accounts(file), file


def _known(accounts: "Accounts", file: Path, name: str) -> "Account":
    account = accounts.find(name)
    if account is None:
        raise ConfigError(f"there is no user {printable(name)}; `streams user list` shows those there are", file=str(file))
    return account


def _password() -> str:
    """Asked for twice at a terminal; else one line of standard input, for scripts. Never an argument: those are seen by all."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != first:
        raise ConfigError("the two are not the same", file="password")
    return first
