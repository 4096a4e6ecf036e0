"""What Alembic runs; the connection comes from servicekit.migrations."""

from credit_service.models import Base
from servicekit.migrations import run_env

run_env(Base.metadata)
