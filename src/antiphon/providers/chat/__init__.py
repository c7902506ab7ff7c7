"""The Chat Completions codec, for every upstream that speaks it."""
