"""Keeps the coins: accounts, reservations, transactions and the packages on sale."""
