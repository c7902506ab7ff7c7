"""Codecs for upstream dialects: request to upstream bytes, upstream bytes to deltas. Sans-IO."""
