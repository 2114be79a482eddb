"""A folder for as long as its owner lives. Who is killed cannot clear up: whoever comes next does."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

__all__ = ["own_folder"]

_LOCK: Final = "owner.lock"
#: Between the making of a folder and its lock lie microseconds; a folder without one that is as old as this has no owner any more.
_UNLOCKED_S: Final = 60.0


@contextmanager
def own_folder(prefix: str, place: Path | None = None) -> Iterator[Path]:
    """An empty folder in `place` (the system's for temporary files), gone after the block. Folders of that prefix whose owner is gone are
    gone too."""
    parent = Path(tempfile.gettempdir()) if place is None else place
    for folder in parent.glob(f"{prefix}*"):
        with suppress(OSError):  # somebody else removes it right now
            if _left(folder):
                shutil.rmtree(folder)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    # The kernel lets go of the lock when the process ends, however it ends.
    with (folder / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _left(folder: Path) -> bool:
    """Whether it is ours and nobody holds it. Never follows a link: the place is everybody's."""
    about = folder.lstat()
    if folder.is_symlink() or not folder.is_dir() or about.st_uid != os.getuid():
        return False
    try:
        with (folder / _LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except FileNotFoundError:
        return time.time() - about.st_mtime > _UNLOCKED_S
    except BlockingIOError:
        return False
