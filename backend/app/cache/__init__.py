"""Redis: what is kept for minutes. Everything here may vanish at any time without loss."""
