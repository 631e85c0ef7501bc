"""The Taipei Exchange."""
