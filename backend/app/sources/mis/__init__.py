"""The exchanges' joint quotes site."""
