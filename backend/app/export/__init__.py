"""What research reads: files in the formats of other tools. Takes columns, knows no database and no settings."""
