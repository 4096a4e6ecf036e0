"""Erasure of users: hidden at once, closed within moments, gone for good after the retention time."""
