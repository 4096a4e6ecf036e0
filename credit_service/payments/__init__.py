"""Coins for money: orders, the providers that take the money, and the webhooks that tell of it."""
