"""What the demo writes lies in a folder that goes with it, or with the next one when it could not take it along; and its configuration."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from streams.demo.folder import own_folder
from streams.demo.stage import _configuration
from streams.settings import load
from streams.sim.config import load_world

HOLDER = """
import sys
from pathlib import Path
from streams.demo.folder import own_folder
with own_folder("streams-demo-", Path(sys.argv[1])) as folder:
    folder.joinpath("worker.log").write_text("something")
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_the_folder_goes_with_its_block(tmp_path: Path) -> None:
    with own_folder("streams-demo-", tmp_path) as folder:
        assert folder.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_kept_while_its_owner_lives_and_removed_by_the_next_start_after_a_kill(tmp_path: Path) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout is not None
        held = Path(holder.stdout.readline().strip())
        with own_folder("streams-demo-", tmp_path):
            assert held.joinpath("worker.log").exists()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert held.exists()
    with own_folder("streams-demo-", tmp_path):
        assert not held.exists()


def test_a_folder_without_a_lock_goes_only_when_it_is_old(tmp_path: Path) -> None:
    """A demo that is just starting has made its folder and not locked it yet."""
    new, old = tmp_path / "streams-demo-new", tmp_path / "streams-demo-old"
    new.mkdir()
    old.mkdir()
    os.utime(old, (0, 0))
    with own_folder("streams-demo-", tmp_path):
        assert (new.exists(), old.exists()) == (True, False)


def test_a_link_is_never_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (tmp_path / "streams-demo-link").symlink_to(victim)
    with own_folder("streams-demo-", tmp_path):
        assert victim.exists()
        assert (tmp_path / "streams-demo-link").is_symlink()


def test_the_shop_is_watched_by_its_own_clock(tmp_path: Path) -> None:
    """Its mornings come an hour later by any other one when the clocks change, and look like drops for weeks."""
    settings = load(_configuration(Path("config"), tmp_path / "config"), {})
    assert settings.rules.site.time_zone == load_world().time_zone
