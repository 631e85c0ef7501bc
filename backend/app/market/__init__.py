"""What Taiwan's market data means: pure values and rules. No I/O, no clock, no settings."""
