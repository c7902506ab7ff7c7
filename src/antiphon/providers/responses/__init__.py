"""The Responses codec, for upstreams that speak the gateway's own dialect."""
