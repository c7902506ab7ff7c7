"""State in SQLite or Postgres, by one code."""
