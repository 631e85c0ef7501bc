"""The command line: `quantlab`, over the same functions as the API."""
