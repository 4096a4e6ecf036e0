"""The migrations make what the models say; the models are what new migrations are compared with."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from credit_service.models import Base
from servicekit.database import sync_engine
from servicekit.embedded import EmbeddedPostgres
from tests.credit_service.database import Database

_CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'alembic_version'
    ORDER BY 1, 2
"""
_INDEXES = """
    SELECT indexname, indexdef FROM pg_indexes
    WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1
"""
_COLUMNS = """
    SELECT table_name, column_name, data_type, is_nullable, column_default, collation_name
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version'
    ORDER BY 1, 2
"""


@pytest.fixture(scope="module")
def modelled(postgres: EmbeddedPostgres) -> str:
    """A database made from the models alone."""
    postgres.create_database("credit_models")
    url = postgres.url("credit_models")
    engine = sync_engine(url, "tests")
    Base.metadata.create_all(engine)
    engine.dispose()
    return url


@pytest.mark.parametrize(
    "what", [_CONSTRAINTS, _INDEXES, _COLUMNS], ids=["constraints", "indexes", "columns"]
)
def test_migrations_and_models_make_the_same_tables(plain_sql: Database, modelled: str, what: str) -> None:
    with Database(modelled) as other:
        assert plain_sql.run(what) == other.run(what)


def test_alembic_sees_nothing_to_migrate(migrated: str) -> None:
    engine = sync_engine(migrated, "tests")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "0004"
    engine.dispose()
