"""Every lock, guard, constraint and trigger of the ledger, taken out once: some test must fail."""
