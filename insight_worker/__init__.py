"""Turns jobs into insights: the Dramatiq worker and its pipelines. Owns no table."""
