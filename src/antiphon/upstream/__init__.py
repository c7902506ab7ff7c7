"""The only package that opens outbound connections."""
