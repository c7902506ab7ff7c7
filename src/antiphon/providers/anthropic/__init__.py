"""The Anthropic Messages dialect towards an upstream."""
