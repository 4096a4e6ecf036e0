"""Real PostgreSQL and Redis (Valkey) servers from wheels, run as children of this process.

For `make run`, `make demo` and the tests; nothing has to be installed on the machine and no
network port is taken: both listen on a private Unix socket only.
"""

from servicekit.embedded.errors import DataDirectoryInUse, EmbeddedServerError
from servicekit.embedded.postgres import EmbeddedPostgres
from servicekit.embedded.redis import EmbeddedRedis

__all__ = ["DataDirectoryInUse", "EmbeddedPostgres", "EmbeddedRedis", "EmbeddedServerError"]
