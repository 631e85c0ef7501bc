"""Check the types of the console's page and build it into ``backend/app/admin/dist``: ``python3 tools/build_page.py``.

Needs what ``tools/install.py`` installed: Node and npm come from its lock. A second call finds that nothing changed and
returns at once.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
FRONTEND = PROJECT / "frontend"
PAGE = PROJECT / "backend" / "app" / "admin" / "dist"
NPM = Path(os.environ.get("QUANTLAB_NPM", PROJECT / ".venv" / "bin" / "npm"))
PACKAGES = FRONTEND / "node_modules"
BUILT_FROM = "built-from"
"""Says, in the page's folder, what it was made from; in that of the packages, which lock they are of."""


def main() -> int:
    """Build it unless that is done; 0 when the page is up to date, 1 with a sentence when it cannot be built."""
    with Path(__file__).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two at once would write over each other
        return 0 if is_built() or build() else 1


def inputs() -> str:
    """A digest of all that the page is made from."""
    digest = hashlib.sha256()
    for path in sorted(FRONTEND.rglob("*")):
        parts = path.relative_to(FRONTEND).parts
        if path.is_file() and parts[0] not in ("node_modules", "dist"):
            digest.update(f"{'/'.join(parts)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def is_built() -> bool:
    """Whether the page that is there is that of these inputs."""
    stamp = PAGE / BUILT_FROM
    return stamp.exists() and stamp.read_text() == inputs()


def build() -> bool:
    """Build it aside, then put it in its place."""
    started = time.monotonic()
    made_from = inputs()
    if not fetch_packages():
        return False
    say("Building the console's page …")
    if not run("run", "--silent", "build"):
        return False
    made = FRONTEND / "dist"
    (made / BUILT_FROM).write_text(made_from)
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(PAGE, ignore_errors=True)
    shutil.move(made, PAGE)
    say(f"Built in {time.monotonic() - started:.0f} s.")
    return True


def fetch_packages() -> bool:
    """The locked packages into ``node_modules``, unless they are there."""
    wanted = hashlib.sha256((FRONTEND / "package-lock.json").read_bytes()).hexdigest()
    stamp = PACKAGES / BUILT_FROM
    if stamp.exists() and stamp.read_text() == wanted:
        return True
    say("Fetching the packages of the console's page (package-lock.json) …")
    # No package's own script runs: what is built comes from files that the lock's hashes vouch for.
    if not run("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"):
        say("npm could not fetch them: see above. With a network that reaches npm's registry, try again.")
        return False
    stamp.write_text(wanted)
    return True


def run(*words: str) -> bool:
    """Run npm in the page's folder; false, with all that it said, where it fails."""
    if not NPM.exists():
        say(f"There is no {NPM}: run `make install` first.")
        return False
    path = f"{NPM.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(
        [NPM, *words], cwd=FRONTEND, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        say((done.stdout + done.stderr).strip())
    return done.returncode == 0


def say(text: str) -> None:
    """A line for the person who waits."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
