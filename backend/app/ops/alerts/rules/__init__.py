"""One rule a file: ``WORDS`` says what should be so, ``find(facts)`` where it is not. In use: ops/alerts RULES."""
