"""The gateway over real HTTP, with the real services behind it."""
