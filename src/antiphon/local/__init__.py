"""The small model that comes with Antiphon: fetched once, verified, and run in a child process that is supervised."""
