"""Insights: what jobs made of chats, hidden until it is paid."""
