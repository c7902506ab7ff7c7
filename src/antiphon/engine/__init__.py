"""Runs: from a parsed request to a committed response."""
