"""The ledger in PostgreSQL: lock in a fixed order, read, let the core decide, write set-wise, commit."""

from credit_service.store.joining import LedgerPart
from credit_service.store.store import Store, Swept

__all__ = ["LedgerPart", "Store", "Swept"]
