"""The embedded default: PostgreSQL and Valkey from wheels, and the supervisor that runs all in the foreground."""
