"""Make ``.venv`` and install the locked dependencies into it: ``python3 tools/install.py [--dev | --qlib]``.

``--qlib`` makes ``.venv-qlib`` instead: the real Qlib, whose reader the tests set upon our export. Needs nothing but
Python's standard library, for it runs first of all. A second call finds the stamp of the first and returns at once. An
installation that was interrupted is begun afresh, from the cache.

pip fetches uv, and uv all else, in a third of the time. Where that fails, or pip is set up in a way that uv cannot be
told, pip does it.
"""

from __future__ import annotations

import ast
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
BACKEND = PROJECT / "backend"
OLDEST = (3, 11)
NEWER = ("python3.13", "python3.12", "python3.11")
NEWEST_OF_QLIB = (3, 12)
"""pyqlib 0.9.7 has wheels up to here."""
LINE_EVERY = 5.0
"""Seconds between two lines of progress where the output is no terminal."""
UV_LOCK = BACKEND / "requirements-uv.lock"
UV_OPTIONS = {"index-url": "--index-url", "extra-index-url": "--extra-index-url", "find-links": "--find-links"}
"""Settings of pip's that say where packages come from, and uv's word for each."""
UV_VARIABLES = {"cert": "SSL_CERT_FILE", "default-timeout": "UV_HTTP_TIMEOUT", "timeout": "UV_HTTP_TIMEOUT"}
"""Others of which uv reads the environment."""
NOT_FOR_UV = {
    *("break-system-packages", "cache-dir", "constraint", "disable-pip-version-check", "no-cache-dir", "no-color"),
    *("no-input", "no-python-version-warning", "progress-bar", "quiet", "require-virtualenv", "retries"),
    *("root-user-action", "user", "verbose"),
}
"""Settings of pip's that make no difference to which files a lock with hashes can name."""


@dataclass(frozen=True)
class Kind:
    """What is installed: the *lock*, into the virtual environment *venv*."""

    venv: Path
    lock: Path
    includes: tuple[str, ...] = ()
    """Kinds that contain this one."""
    own: bool = True
    """Whether the project itself is installed too."""

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.venv / "bin" / "python"

    @property
    def uv(self) -> Path:
        """What fetches the packages."""
        return self.venv / "bin" / "uv"

    @property
    def stamp(self) -> Path:
        """Says what a finished installation was made from."""
        return self.venv / "quantlab-installed"

    @property
    def half_made(self) -> Path:
        """Lies there while an installation is under way."""
        return self.venv / "quantlab-installing"

    @property
    def pip(self) -> tuple[str, ...]:
        """The beginning of every command of pip's."""
        return (str(self.python), "-m", "pip", "--disable-pip-version-check", "--no-input")


KINDS = {
    "run": Kind(PROJECT / ".venv", BACKEND / "requirements.lock", includes=("dev",)),
    "dev": Kind(PROJECT / ".venv", BACKEND / "requirements-dev.lock"),
    "qlib": Kind(PROJECT / ".venv-qlib", BACKEND / "requirements-qlib.lock", own=False),
}

ASK_VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"

# Read by the interpreter of the virtual environment: pip knows how to evaluate the markers of a lock.
COUNT_REQUIREMENTS = r"""
import re, sys
from pip._vendor.packaging.requirements import Requirement
wanted = [Requirement(line.rstrip(" \\\n")) for line in open(sys.argv[1]) if re.match(r"[A-Za-z0-9]", line)]
print(sum(1 for one in wanted if one.marker is None or one.marker.evaluate()))
"""


def main() -> int:
    """Install what is missing; 0 when all is there, 1 with a sentence when it cannot be, 130 at Ctrl-C."""
    use_new_enough_python()
    name = next((one.removeprefix("--") for one in sys.argv[1:] if one in ("--dev", "--qlib")), "run")
    kind = KINDS[name]
    if is_installed(kind):
        return 0
    if name == "qlib" and not use_python_of_qlib():
        return 0
    with Path(__file__).open() as lock:
        if not lock_alone(lock.fileno()):
            say("Another installation is under way; waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            return 0 if is_installed(kind) else install(kind)
        except KeyboardInterrupt:
            say("\nInterrupted; the next call begins the installation afresh.")
            return 130


def use_new_enough_python() -> None:
    """Go on with a newer interpreter where this one is too old and there is one; else say so and end."""
    if sys.version_info >= OLDEST:
        return
    for name in NEWER:
        found = shutil.which(name)
        if found:
            os.execv(found, [found, *sys.argv])
    have = ".".join(map(str, sys.version_info[:2]))
    sys.exit("QuantLab needs Python 3.11 or newer and this is Python {}: install a newer one.".format(have))  # noqa: UP032


def use_python_of_qlib() -> bool:
    """Go on with an older interpreter where pyqlib knows none so new; false, with a sentence, where there is none."""
    if sys.version_info[:2] <= NEWEST_OF_QLIB:
        return True
    for name in NEWER:
        found = shutil.which(name)
        answers = found and subprocess.run([found, "-c", ASK_VERSION], capture_output=True, text=True, check=False)
        if answers and not answers.returncode and tuple(map(int, answers.stdout.split("."))) <= NEWEST_OF_QLIB:
            os.execv(str(found), [str(found), *sys.argv])
    have, newest = (".".join(map(str, version)) for version in (sys.version_info[:2], NEWEST_OF_QLIB))
    say(f"There is no pyqlib for Python {have}: the tests with the real Qlib will be skipped. Install Python {newest}.")
    return False


def lock_alone(descriptor: int) -> bool:
    """Take the lock that keeps two installations apart; false where another one holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def digest(kind: Kind) -> str:
    """What the environment was made from: lock, interpreter and place. Another of these makes it stale."""
    facts = [kind.lock.read_text(), sys.version, str(PROJECT)]
    if kind.own:
        facts.append((BACKEND / "requirements.in").read_text())
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()


def is_installed(kind: Kind) -> bool:
    """Whether all of ``kind`` is there; what the tests need includes what it takes to run."""
    if kind.half_made.exists() or not kind.python.exists() or not kind.stamp.exists():
        return False
    return kind.stamp.read_text() in {digest(kind), *(digest(KINDS[name]) for name in kind.includes)}


def install(kind: Kind) -> int:
    """Make the environment and fill it."""
    started = time.monotonic()
    if (kind.half_made.exists() or not works(kind)) and kind.venv.exists():
        say(f"The virtual environment {kind.venv.name} is broken or half-made: making it anew.")
        shutil.rmtree(kind.venv)
    if not kind.venv.exists() and not make_environment(kind):
        return 1
    kind.stamp.unlink(missing_ok=True)
    kind.half_made.touch()
    total = count_requirements(kind)
    say(f"Installing {total} locked packages ({kind.lock.name}) …")
    if not fill_by_uv(kind, total) and not fill_by_pip(kind, total):
        return 1
    # Editable, and by the locked setuptools: nothing is fetched that no hash vouches for.
    own = [*kind.pip, "install", "--quiet", "--no-deps", "--no-build-isolation", "-e", str(BACKEND)]
    if kind.own and not run("pip", own, Progress(kind.venv, 1, quiet=True)):
        return 1
    kind.stamp.write_text(digest(kind))
    kind.half_made.unlink()
    say(f"Installed in {time.monotonic() - started:.0f} s.")
    return 0


def fill_by_uv(kind: Kind, total: int) -> bool:
    """Install the lock by uv; false where pip must do it, after a sentence if something went wrong."""
    sources = sources_of_uv(kind)
    if sources is None:
        return False
    options, environment = sources
    fetch = [*kind.pip, "install", "--quiet", "--only-binary", ":all:", "--require-hashes", "-r", str(UV_LOCK)]
    if subprocess.run(fetch, capture_output=True, check=False).returncode:
        return False  # no wheel of it for this machine, or no way out: pip will say so
    # Of several places one may have a file by a hash, whichever comes first. Without --no-deps uv would miss what the
    # lock leaves out on purpose (requirements-qlib.without).
    words = ["--quiet", "--require-hashes", "--no-deps", "--index-strategy", "unsafe-best-match", "--compile-bytecode"]
    words += ["--python", str(kind.python), *options]
    cache = subprocess.run([str(kind.uv), "cache", "dir"], capture_output=True, text=True, check=False).stdout.strip()
    progress = UvProgress(kind.venv, total, cache=Path(cache))
    command = [str(kind.uv), "pip", "install", *words, "-r", str(kind.lock)]
    if run("uv", command, progress, environment=environment):
        return True
    say("pip tries it now.")
    return False


def sources_of_uv(kind: Kind) -> tuple[list[str], dict[str, str]] | None:
    """Where pip would look, as options and environment for uv; None where uv has no word for how pip is set up."""
    said = subprocess.run([*kind.pip, "config", "list"], capture_output=True, text=True, check=False)
    options: list[str] = []
    environment = dict(os.environ)
    for line in said.stdout.splitlines():
        key, _, value = line.partition("=")
        name, text = key.rpartition(".")[2], str(ast.literal_eval(value))
        if name in UV_OPTIONS:
            options += [word for one in text.split() for word in (UV_OPTIONS[name], one)]
        elif name in UV_VARIABLES:
            environment[UV_VARIABLES[name]] = text
        elif name not in NOT_FOR_UV:
            return None
    return None if said.returncode else (options, environment)


def fill_by_pip(kind: Kind, total: int) -> bool:
    """Install the lock by pip."""
    options = ["--progress-bar", "off", "--require-hashes", *([] if kind.own else ["--no-deps"])]
    return run("pip", [*kind.pip, "install", *options, "-r", str(kind.lock)], Progress(kind.venv, total))


def works(kind: Kind) -> bool:
    """Whether the environment there is has a working interpreter of this very version, and pip."""
    ask = "import sys, pip; print(sys.version)"
    try:
        result = subprocess.run([str(kind.python), "-c", ask], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return result.returncode == 0 and result.stdout.strip() == sys.version.strip()


def make_environment(kind: Kind) -> bool:
    """``python -m venv``; false, with a sentence, where Debian has put that module elsewhere."""
    advice = "install it (on Debian and Ubuntu: apt install python3-venv) and try again."
    if not importlib.util.find_spec("ensurepip") or not importlib.util.find_spec("venv"):
        say(f"This Python has no complete venv module: {advice}")
        return False
    say(f"Making the virtual environment {kind.venv.name} …")
    kind.venv.mkdir(parents=True)
    kind.half_made.touch()
    made = subprocess.run([sys.executable, "-m", "venv", str(kind.venv)], capture_output=True, text=True, check=False)
    if made.returncode:
        say((made.stdout + made.stderr).strip())
        say(f"The virtual environment cannot be made: if a module is missing, {advice}")
    return made.returncode == 0


def count_requirements(kind: Kind) -> int:
    """How many packages of the lock are for this platform and Python."""
    ask = [str(kind.python), "-c", COUNT_REQUIREMENTS, str(kind.lock)]
    result = subprocess.run(ask, capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return int(result.stdout)
    return len(re.findall(r"^[A-Za-z0-9]", kind.lock.read_text(), flags=re.MULTILINE))


def run(name: str, command: list[str], progress: Progress, *, environment: dict[str, str] | None = None) -> bool:
    """Run pip or uv and show how far it is; false, with all that it complained about, where it fails."""
    complaints: list[str] = []
    done = threading.Event()
    ticking = threading.Thread(target=progress.tick_until, args=(done,), daemon=True)
    ticking.start()
    try:
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        ) as child:
            try:
                complaints.extend(line.rstrip() for line in child.stdout or () if not progress.read(line))
            except KeyboardInterrupt:
                child.wait()  # it got the same Ctrl-C; Popen itself would go on after a quarter of a second
                raise
        code = child.returncode
    finally:
        done.set()
        ticking.join()
        progress.end()
    if code:
        say("\n".join(complaints))
        say(f"{name} could not install the packages (exit code {code}); what it said stands above.")
    return code == 0


class Progress:
    """Follows pip by what it prints, and, while it unpacks in silence, by the packages that appear."""

    EXPECTED = re.compile(
        r"\s*(Collecting|Processing|Ignoring|Downloading|Using cached|Obtaining|Preparing|Building|Created|Stored|"
        r"Getting|Installing|Successfully|Requirement already|Looking in|Attempting|Found existing|Uninstalling|\x1b|$)"
    )

    def __init__(self, venv: Path, total: int, *, quiet: bool = False) -> None:
        self._venv = venv
        self._total = max(total, 1)
        self._quiet = quiet
        self._terminal = sys.stdout.isatty()
        self._phase = "step 1 of 2, downloading"
        self._done = 0
        self._name = ""
        self._seen: set[str] = set()
        self._before = 0
        self._began = time.monotonic()
        self._shown = ""
        self._shown_at = 0.0

    def read(self, line: str) -> bool:
        """Take a line of pip's; false where it is none of the usual ones, hence worth keeping."""
        found = re.match(
            r"(?:Collecting|Requirement already satisfied:|Processing \S*/) ?([\w.]+(?:-[a-zA-Z]\w*)*)", line
        )
        if found:
            self._name = found[1]
            self._seen.add(re.sub(r"[-_.]+", "-", found[1]).lower())
            self._done = min(len(self._seen), self._total)
        if line.startswith("Installing collected packages"):
            self._phase, self._began, self._name = "step 2 of 2, unpacking", time.monotonic(), ""
            self._before = self._unpacked()
            self._total = max(1, line.count(",") + 1)
            self._done = 0
        return bool(self.EXPECTED.match(line))

    def tick_until(self, done: threading.Event) -> None:
        """Show the state again and again until ``done``."""
        while not done.wait(0.2):
            self._look()
            self._show()

    def _look(self) -> None:
        if self._phase.endswith("unpacking"):
            self._done = min(max(self._unpacked() - self._before, 0), self._total)

    def end(self) -> None:
        """Leave the line."""
        if self._terminal and self._shown:
            sys.stdout.write("\r\x1b[K")
            sys.stdout.flush()

    def _unpacked(self) -> int:
        return sum(1 for _ in self._venv.glob("lib/python*/site-packages/*.dist-info/INSTALLER"))

    def _far(self) -> str:
        return f" {self._done}/{self._total}"

    def _left(self) -> str:
        spent = time.monotonic() - self._began
        if self._done < 3 or spent < 2 or self._done >= self._total:
            return ""  # too early to tell, or nothing left
        return f", about {spent / self._done * (self._total - self._done) + 1:.0f} s left of this step"

    def _show(self) -> None:
        now = time.monotonic()
        if self._quiet or (not self._terminal and now - self._shown_at < LINE_EVERY):
            return
        text = f"{self._phase}{self._far()} {self._name}".rstrip() + self._left()
        if text == self._shown and self._terminal:
            return
        self._shown, self._shown_at = text, now
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            sys.stdout.write(f"\r  {text}"[:width] + "\x1b[K")
        else:
            sys.stdout.write(f"  {text}\n")
        sys.stdout.flush()


class UvProgress(Progress):
    """Follows uv, which prints nothing, by the packages that appear in its *cache*, then in the environment."""

    def __init__(self, venv: Path, total: int, *, cache: Path) -> None:
        super().__init__(venv, total)
        self._cache = cache
        self._before = self._fetched()

    def _fetched(self) -> int:
        return sum(1 for _ in self._cache.glob("archive-v*/*"))

    def _look(self) -> None:
        if self._unpacked() >= self._total:
            self._phase, self._done = "step 2 of 2, compiling", self._total
        else:
            self._done = min(self._fetched() - self._before, self._total)

    def _far(self) -> str:
        # What the cache has already is not fetched, and of what it compiles uv tells nothing.
        return super()._far() if self._done and not self._phase.endswith("compiling") else ""


def say(text: str) -> None:
    """A line for the person who waits."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
