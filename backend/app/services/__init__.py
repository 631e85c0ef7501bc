"""What we do: one verb a file, plain functions with explicit arguments."""
