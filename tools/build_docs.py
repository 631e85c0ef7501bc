"""Renew the reference pages and build the documentation as a site into ``.cache/docs/site``; any warning fails.

Run by ``make docs`` in ``.venv``. Mermaid, which draws the diagrams, comes from the npm registry once and is checked
against the hash below, so that the site asks nothing of another host.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import references

PROJECT = Path(__file__).resolve().parents[1]
PROGRAMS = PROJECT / ".venv/bin"
FOLDER = PROJECT / ".cache/docs"
MERMAID = "mermaid@12.3.0"
MERMAID_SHA512 = "4113TdXeLAsMruJ79OpFL5O8+LTFXhQqZ260rF3tgUmiNAtRm4Uume04I+65PRN6yZ69J4f8rVYWW8zRk65UYw=="
SCRIPT = PROJECT / "docs/javascripts/mermaid.min.js"


def main() -> int:
    """0 when the site is built; 1 with a sentence when not."""
    references.main()
    if not SCRIPT.exists() and not fetch_mermaid():
        return 1
    environment = {**os.environ, "NO_COLOR": "1"}
    make_folder()
    command = [PROGRAMS / "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(command, cwd=FOLDER, env=environment, check=False)
    if done.returncode == 0:
        print(f"The site is in {(FOLDER / 'site/index.html').relative_to(PROJECT)}")
    return done.returncode


def make_folder() -> None:
    """A folder of its own to build in: ``--clean`` empties the folder ``.cache`` that stands beside zensical.toml."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    shutil.copy(PROJECT / "zensical.toml", FOLDER)
    shutil.copytree(PROJECT / "docs", FOLDER / "docs")


def fetch_mermaid() -> bool:
    """The one file of the package that is needed."""
    print(f"Fetching {MERMAID} …", flush=True)
    path = f"{PROGRAMS}{os.pathsep}{os.environ.get('PATH', '')}"
    with tempfile.TemporaryDirectory() as folder:
        command = [PROGRAMS / "npm", "pack", "--silent", MERMAID]
        environment = {**os.environ, "PATH": path}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"npm could not fetch it: {done.stderr.strip()}")
            return False
        (package,) = Path(folder).glob("*.tgz")
        if base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode() != MERMAID_SHA512:
            print(f"{package.name} is not the file that was locked: its SHA-512 differs.")
            return False
        with tarfile.open(package) as tar:
            script = tar.extractfile("package/dist/mermaid.min.js")
            SCRIPT.parent.mkdir(exist_ok=True)
            SCRIPT.write_bytes(script.read() if script else b"")
    return True


if __name__ == "__main__":
    sys.exit(main())
