"""Small loopback servers that speak the wire formats of paid APIs; used through the vendors' own SDKs."""
