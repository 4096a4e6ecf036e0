"""Uploads that become chats."""
