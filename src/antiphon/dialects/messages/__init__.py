"""Anthropic's Messages dialect: the client side of `POST /v1/messages`."""
