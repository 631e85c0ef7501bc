"""FinLab, which republishes the exchanges' data through its own package: compared with, never stored as bars."""
