"""QuantLab's performance claims, each measured beside its baseline and its limit in one run."""
