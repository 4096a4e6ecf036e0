"""Small loopback servers that speak the wire format of paid APIs; used through the vendors' own SDKs."""
