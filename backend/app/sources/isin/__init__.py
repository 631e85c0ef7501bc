"""The exchanges' joint list of securities."""
