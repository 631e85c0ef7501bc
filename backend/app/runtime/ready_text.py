"""The lines that a person reads when the platform is ready."""

from __future__ import annotations

import shlex

from app.runtime.layout import Layout
from app.services.users import FIRST

WIDTH = 78


def ready_text(layout: Layout, *, with_flower: bool, password: str | None = None) -> str:
    """Addresses, where things are, whether prices are real, how to stop it and find it; at first how to log in."""
    rows = [("Console", f"{layout.web}/admin")]
    if password is not None:
        again = f"`quantlab users password {FIRST}` makes a new one"
        rows.append(("Login", f"{FIRST} / {password}  (shown this once; {again})"))
    rows.append(("API", f"{layout.web}/docs"))
    if with_flower:
        file = layout.folder / "flower-password"
        rows.append(("Flower", f"http://localhost:{layout.flower_port}  (user quantlab, password in {file})"))
    rows += [
        ("Data", str(layout.folder)),
        ("Admin token", str(layout.admin_token_file)),
        ("Prices", _prices(layout)),
        ("Stop", "Ctrl-C"),
    ]
    if layout.usual_home is not None and layout.home != layout.usual_home:
        rows.append(("Elsewhere", f"export QUANTLAB_HOME={shlex.quote(str(layout.home))}  (commands find it by that)"))
    body = [f"  {name:<12} {text}" for name, text in rows]
    return "\n".join(["=" * WIDTH, f"QuantLab is ready: {layout.web}", *body, "=" * WIDTH])


def _prices(layout: Layout) -> str:
    if layout.sandbox_port is None:
        return "real, from the exchanges' public sites"
    return "SYNTHETIC, made up by the sandbox exchange: NOT real prices (real ones: make up SOURCE=exchange)"
