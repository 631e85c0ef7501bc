"""The Taiwan Stock Exchange."""
