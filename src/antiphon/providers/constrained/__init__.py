"""Calls from models that cannot call: the answer is held to a schema that only a call fits, and read as that call."""
