"""The sandbox exchange: a local server that speaks the exchanges' own wire formats, so that all of it runs offline.

An independent rendition: it never imports ``app.sources``, so that it can referee the parsers there.
"""
