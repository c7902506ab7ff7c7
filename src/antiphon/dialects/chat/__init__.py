"""OpenAI's Chat Completions dialect: the client side of `POST /v1/chat/completions`."""

from antiphon.dialects.chat.answer import ChatAnswer, encode_answer
from antiphon.dialects.chat.parse import Asked, parse_chat
from antiphon.dialects.chat.stream import ChatStream, Head

__all__ = ["Asked", "ChatAnswer", "ChatStream", "Head", "encode_answer", "parse_chat"]
