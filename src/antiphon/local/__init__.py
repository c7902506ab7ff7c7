"""The small model that comes with Antiphon: fetched once, run in a supervised child process."""
