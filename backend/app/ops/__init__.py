"""What ran, what is due, and is it well: the run ledger, schedules, health."""
