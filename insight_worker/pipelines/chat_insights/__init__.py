"""The insights of a chat that need no model: definitions in docs/insights.md, one module for each."""

from .pipeline import INSIGHT_TYPES, PIPELINE

__all__ = ["INSIGHT_TYPES", "PIPELINE"]
