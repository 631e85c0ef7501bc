"""Where data is kept: the only SQL in the project. Plain functions over a SQLAlchemy connection, one noun a module."""
