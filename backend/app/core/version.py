"""Which QuantLab this is."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("quantlab")
except PackageNotFoundError:  # run from a folder that was never installed
    VERSION = "unknown"
