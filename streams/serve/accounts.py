"""The users of the page: a file of names, roles and argon2id hashes, read again when it changes and written whole."""

import os
import tempfile
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
import yaml
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from streams.configfile import read_file, to_struct
from streams.errors import ConfigError
from streams.serve.roles import ROLES

__all__ = ["Account", "Accounts", "AccountsFile", "checked_name", "checked_password", "checked_roles"]

#: A person can remember a sentence of this length, and a program cannot guess it.
PASSWORD_CHARACTERS: Final = 10
#: A hash function should not be given a book.
_MOST_CHARACTERS: Final = 1024
_NAME_CHARACTERS: Final = 100
#: A page that thousands of people sign in to has a proxy that knows them.
_MOST_USERS: Final = 1000

#: argon2-cffi's defaults follow RFC 9106 for machines with little memory to spare: 64 MiB, three passes, about 50 ms.
_hasher = PasswordHasher()


class Account(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person who may sign in. `password` is an argon2id hash."""

    name: str
    roles: tuple[str, ...]
    password: str

    @property
    def mark(self) -> str:
        """Another password, another mark: sessions that were begun with the old one end."""
        return sha256(self.password.encode()).hexdigest()[:16]


class AccountsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    users: tuple[Account, ...] = ()


class Accounts:
    """The accounts of a file. `find` reads it again when it has changed, so whoever is taken out is out."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: tuple[int, int] | None = None
        self._by_name: dict[str, Account] = {}
        # Whoever is not there is checked against this: an unknown name takes as long as a wrong password.
        self._nobody = _hasher.hash("nobody has this password")

    @property
    def all(self) -> Sequence[Account]:
        """Everybody, by name. Raises `ConfigError` for a file that is none."""
        self._read()
        return sorted(self._by_name.values(), key=lambda account: account.name)

    def find(self, name: str) -> Account | None:
        self._read()
        return self._by_name.get(name)

    def verify(self, name: str, password: str) -> Account | None:
        """The account, when the password is right. Takes about 50 ms and 64 MiB either way."""
        account = self.find(name)
        try:
            _hasher.verify(account.password if account else self._nobody, password[:_MOST_CHARACTERS])
        except (VerificationError, InvalidHashError):
            return None
        return account

    def put(self, name: str, roles: Iterable[str], password: str) -> Account:
        """The file holds this account, in place of one of that name."""
        account = Account(checked_name(name), checked_roles(roles), _hasher.hash(checked_password(password)))
        self._write([each for each in self._there() if each.name != name] + [account])
        return account

    def remove(self, name: str) -> bool:
        """The file has no such account; whether it had one."""
        before = self._there()
        left = [each for each in before if each.name != name]
        if len(left) < len(before):
            self._write(left)
        return len(left) < len(before)

    def _there(self) -> Sequence[Account]:
        return self.all if self._file.exists() else []

    def _read(self) -> None:
        try:
            found = self._file.stat()
        except OSError as problem:
            raise ConfigError(f"cannot be read ({problem.strerror}); `streams user add NAME` makes it", file=str(self._file)) from None
        now = (found.st_mtime_ns, found.st_ino)
        if now == self._seen:
            return
        accounts = to_struct(read_file(self._file), AccountsFile, self._file.name).users
        for number, account in enumerate(accounts):
            try:
                checked_name(account.name)
                checked_roles(account.roles)
            except ConfigError as wrong:
                raise ConfigError(wrong.message, file=self._file.name, path=f"users[{number}]") from None
            if not account.password.startswith("$argon2id$"):
                raise ConfigError(
                    "must be an argon2id hash: use `streams user password`", file=self._file.name, path=f"users[{number}].password"
                )
        if len({account.name for account in accounts}) < len(accounts):
            raise ConfigError("a name stands here twice", file=self._file.name, path="users")
        self._by_name, self._seen = {account.name: account for account in accounts}, now

    def _write(self, accounts: Sequence[Account]) -> None:
        if len(accounts) > _MOST_USERS:
            raise ConfigError(f"at most {_MOST_USERS} users", file=self._file.name)
        content = yaml.safe_dump({"users": msgspec.to_builtins(list(accounts))}, sort_keys=False, allow_unicode=True)
        try:
            # Beside the old file and then in its place: a server never reads half of it. Made for its owner alone (0600).
            handle, name = tempfile.mkstemp(dir=self._file.parent, prefix=f".{self._file.name}.")
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                out.write(content)
            Path(name).replace(self._file)
        except OSError as problem:
            raise ConfigError(f"cannot be written ({problem.strerror})", file=str(self._file)) from None


def checked_name(name: str) -> str:
    """`name`. Raises `ConfigError` when nobody can be called so."""
    if not name or len(name) > _NAME_CHARACTERS or not name.isprintable() or name != name.strip():
        raise ConfigError(f"a name is 1 to {_NAME_CHARACTERS} printable characters", path="name")
    return name


def checked_password(password: str) -> str:
    """`password`. Raises `ConfigError` when it is too short or a book."""
    if not PASSWORD_CHARACTERS <= len(password) <= _MOST_CHARACTERS:
        raise ConfigError(f"a password has {PASSWORD_CHARACTERS} to {_MOST_CHARACTERS} characters", path="password")
    return password


def checked_roles(roles: Iterable[str]) -> tuple[str, ...]:
    """`roles` in the order of `ROLES`. Raises `ConfigError` for one that is none, and for none at all."""
    chosen = set(roles)
    for role in sorted(chosen - set(ROLES)):
        raise ConfigError(f"there is no role {role!r}; there are {', '.join(ROLES)}", path="roles")
    if not chosen:
        raise ConfigError(f"at least one of {', '.join(ROLES)}", path="roles")
    return tuple(role for role in ROLES if role in chosen)
