"""The Qlib export: a tree of float32 files, built aside, read back, compared, then published in one step."""
