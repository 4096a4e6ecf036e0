"""The insights of a chat: those that need no model in one module each, and what asks a model for the others.

Definitions: docs/insights.md.
"""

from .pipeline import INSIGHT_TYPES, PIPELINE

__all__ = ["INSIGHT_TYPES", "PIPELINE"]
