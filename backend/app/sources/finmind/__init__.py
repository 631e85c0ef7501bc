"""FinMind, which republishes the exchanges' data: compared with, never stored as bars."""
