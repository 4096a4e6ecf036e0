"""The packages on sale: a file that is data, loaded into its table by `migrate`."""

import tomllib
from pathlib import Path
from typing import Annotated

from iso4217 import Currency
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from credit_service.ledger import MAX_AMOUNT
from credit_service.models import PackageRow
from servicekit.database import Sessions, sync_engine
from servicekit.retry import execute_in_transaction

DEFAULT_FILE = Path(__file__).with_name("packages.toml")


class PackagesFileError(Exception):
    """The packages file is missing or wrong; the message names the file and the field."""


_CODES = frozenset(currency.value for currency in Currency)


def _known(code: str) -> str:
    if code not in _CODES or minor_digits(code) is None:
        raise ValueError(f"{code[:16]} is no currency of ISO 4217 with minor units")
    return code


def minor_digits(code: str) -> int | None:
    """Answer how many minor units make a major one, as a power of ten; None for what has none, as gold."""
    digits: int | None = Currency(code).exponent
    return digits


MAX_PRICE = 10**12
"""Minor units that a package costs at most."""


class Package(BaseModel):
    """Coins on sale, and what they cost: minor units by currency."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    package_id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    title: str = Field(min_length=1, max_length=128)
    coins: int = Field(ge=1, le=MAX_AMOUNT)
    prices: dict[Annotated[str, AfterValidator(_known)], Annotated[int, Field(ge=1, le=MAX_PRICE)]] = {}


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    package: list[Package]


def read_packages(path: Path) -> list[Package]:
    """Read the packages file; raises `PackagesFileError`."""
    try:
        packages = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).package
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise PackagesFileError(f"{path}: {error}") from error
    ids = [package.package_id for package in packages]
    if len(set(ids)) != len(ids):
        raise PackagesFileError(f"{path}: a package_id stands there twice")
    return packages


def load_packages(url: str, packages: list[Package]) -> None:
    """Make the table say what the file says; packages that are not in it are no longer on sale."""
    engine = sync_engine(url, "load_packages")
    with engine.begin() as connection:
        # Two copies that load at once would meet on the same rows in different orders.
        connection.execute(text("LOCK TABLE packages IN SHARE ROW EXCLUSIVE MODE"))
        connection.execute(update(PackageRow).values(on_sale=False))
        for package in packages:
            values = {**package.model_dump(), "on_sale": True}
            statement = insert(PackageRow).values(values)
            connection.execute(statement.on_conflict_do_update(index_elements=["package_id"], set_=values))
    engine.dispose()


class PackageRepository:
    """Reads what is on sale."""

    def __init__(self, sessions: Sessions) -> None:
        """Take the database's sessions."""
        self._sessions = sessions

    async def on_sale(self) -> list[PackageRow]:
        """Answer the packages on sale, smallest first."""
        statement = (
            select(PackageRow).where(PackageRow.on_sale).order_by(PackageRow.coins, PackageRow.package_id)
        )

        async def read(session: AsyncSession) -> list[PackageRow]:
            return list(await session.scalars(statement))

        return await execute_in_transaction(self._sessions, read)
