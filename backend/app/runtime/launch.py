"""Become another program, tied to the life of whoever started it.

Run as a file by a bare interpreter (``python -I -S launch.py PARENT SIGNAL UID GID PROGRAM ARGUMENT …``), never
imported by the platform, so it needs the standard library only. It is a program and not a ``preexec_fn`` because
code between fork and exec can hang in a process that has threads, and because the interpreter's own
``Popen(user=…)`` would already need the new user to reach this virtual environment.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
CANNOT_START = 127


def main(argv: list[str]) -> int:
    """Leave the terminal's process group, drop root, ask for a signal at the parent's death, then exec."""
    parent, signal_at_death, uid, gid = (int(part) for part in argv[:4])
    command = argv[4:]
    # A session of its own: Ctrl-C in the terminal reaches the supervisor alone, which then stops all in order.
    os.setsid()
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After setuid, which clears it. Kept across exec.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_at_death, 0, 0, 0)
    if os.getppid() != parent:
        return CANNOT_START  # the parent died before we could ask
    try:
        os.execvp(command[0], command)  # noqa: S606 - the purpose of this file
    except OSError as error:
        sys.stderr.write(f"{command[0]} cannot be started: {error.strerror}\n")
    return CANNOT_START


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
