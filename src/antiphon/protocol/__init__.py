"""The Responses language: requests, items, events, the assembler that owns the life cycle. No I/O, no clock."""
