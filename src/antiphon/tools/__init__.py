"""Hosted tools: what models may use although their provider does not run it. Each knows nothing of runs and events."""
