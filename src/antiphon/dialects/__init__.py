"""Codecs for client dialects: client bytes to a request, events to client bytes. Sans-IO."""
