"""The catalogue: a file that `migrate` loads into tables."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import psycopg2
import pytest

from chat_service import bootstrap
from chat_service.catalogue.file import CatalogueError, read_catalogue
from chat_service.catalogue.load import load_catalogue
from chat_service.catalogue.service import list_categories, list_insight_types
from chat_service.errors import CategoryNotFound
from chat_service.settings import DEFAULT_CATALOGUE
from servicekit.database import Sessions, async_engine, session_factory
from servicekit.embedded import EmbeddedPostgres
from servicekit.migrations import upgrade
from servicekit.settings import KitSettings
from tests.chat_service.conftest import Connection

_Result = TypeVar("_Result")

TYPE = '[[insight_type]]\nid = "{id}"\ntitle = "T"\ndescription = "D"\nchart = "bars"\n'
CATEGORY = (
    '[[category]]\nid = "{id}"\ntitle = "T"\ndescription = "D"\nprice = {price}\nkind = "chat_insights"\n'
    "insight_types = {types}\n"
)
SMALL = TYPE.format(id="one") + TYPE.format(id="two")


@pytest.fixture(scope="module")
def database_url(postgres: EmbeddedPostgres) -> str:
    """A database of its own: these tests put other catalogues in."""
    postgres.create_database("chat_catalogue")
    url = postgres.url("chat_catalogue")
    upgrade(url, bootstrap.MIGRATIONS)
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Connection]:
    connection = psycopg2.connect(database_url)
    connection.autocommit = True
    yield connection
    connection.close()


@pytest.fixture
def load(database_url: str, tmp_path: Path) -> Callable[[str], None]:
    """Loads a catalogue with this text."""

    def write_and_load(content: str) -> None:
        path = tmp_path / "catalogue.toml"
        path.write_text(content)
        load_catalogue(database_url, path)

    return write_and_load


def read(url: str, work: Callable[[Sessions], Awaitable[_Result]]) -> _Result:
    """Run what reads the catalogue, on an engine of its own."""

    async def run() -> _Result:
        engine = async_engine(url, KitSettings(), "tests")
        try:
            return await work(session_factory(engine))
        finally:
            await engine.dispose()

    return asyncio.run(run())


def offers(url: str, *, with_model: bool = False) -> dict[str, tuple[int, list[str]]]:
    """What is on sale: price and types by category, in order."""
    found = {}
    for listed in read(url, partial(list_categories, with_model=with_model)):
        category_id = listed.category.category_id
        offer = read(url, partial(list_insight_types, category_id=category_id, with_model=with_model))
        assert (listed.price, listed.insight_type_count) == (offer.price, len(offer.insight_types))
        found[category_id] = (
            offer.price,
            [insight_type.insight_type_id for insight_type in offer.insight_types],
        )
    return found


@pytest.mark.parametrize(
    ("with_model", "prices"),
    [
        (False, {"romantic": 400, "friendship": 200, "family": 200, "workplace": 200, "any_chat": 150}),
        (True, {"romantic": 680, "friendship": 320, "family": 320, "workplace": 320, "any_chat": 340}),
    ],
)
def test_the_catalogue_of_the_service_costs_less_where_no_model_can_be_asked(
    database_url: str, with_model: bool, prices: dict[str, int]
) -> None:
    load_catalogue(database_url, DEFAULT_CATALOGUE)

    on_sale = offers(database_url, with_model=with_model)

    assert {category: price for category, (price, _) in on_sale.items()} == prices
    sold = {name for _, types in on_sale.values() for name in types}
    assert ("chat_story" in sold) == with_model
    assert {"topics", "message_balance"} <= sold


def test_categories_and_types_keep_the_order_of_the_file(
    database_url: str, load: Callable[[str], None]
) -> None:
    load(
        SMALL
        + CATEGORY.format(id="zebra", price=1, types='["two", "one"]')
        + CATEGORY.format(id="ape", price=2, types='["one"]')
    )

    assert offers(database_url) == {"zebra": (1, ["two", "one"]), "ape": (2, ["one"])}
    assert list(offers(database_url)) == ["zebra", "ape"]


def test_loading_twice_changes_nothing_and_a_changed_file_changes_what_is_on_sale(
    database_url: str, load: Callable[[str], None]
) -> None:
    first = SMALL + CATEGORY.format(id="a", price=1, types='["one", "two"]')
    load(first)
    load(first)
    assert offers(database_url) == {"a": (1, ["one", "two"])}

    load(SMALL + CATEGORY.format(id="a", price=5, types='["two"]'))

    assert offers(database_url) == {"a": (5, ["two"])}


def test_what_vanished_from_the_file_is_off_sale_but_not_gone_and_can_come_back(
    database_url: str, database: Connection, load: Callable[[str], None]
) -> None:
    both = (
        SMALL
        + CATEGORY.format(id="a", price=1, types='["one"]')
        + CATEGORY.format(id="b", price=1, types='["two"]')
    )
    load(both)

    load(TYPE.format(id="one") + CATEGORY.format(id="a", price=1, types='["one"]'))

    assert list(offers(database_url)) == ["a"]
    with pytest.raises(CategoryNotFound):
        read(database_url, partial(list_insight_types, category_id="b", with_model=True))
    with database.cursor() as cursor:
        cursor.execute("SELECT active FROM categories WHERE category_id = 'b'")
        assert cursor.fetchone() == (False,)
        cursor.execute("SELECT active FROM insight_types WHERE insight_type_id = 'two'")
        assert cursor.fetchone() == (False,)
    load(both)
    assert list(offers(database_url)) == ["a", "b"]


def test_two_copies_that_load_two_files_at_once_end_with_one_of_them(
    database_url: str, tmp_path: Path
) -> None:
    paths = []
    for name in ("a", "b"):
        paths.append(tmp_path / f"{name}.toml")
        paths[-1].write_text(
            TYPE.format(id=f"of_{name}") + CATEGORY.format(id=name, price=1, types=[f"of_{name}"])
        )

    with ThreadPoolExecutor(2) as pool:
        for _ in range(10):
            list(pool.map(lambda path: load_catalogue(database_url, path), paths))
            assert offers(database_url) in ({"a": (1, ["of_a"])}, {"b": (1, ["of_b"])})


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("[[category", "catalogue.toml"),
        ("", "category"),
        (SMALL, "category"),
        (SMALL + CATEGORY.format(id="a", price=0, types='["one"]'), "category.a.price"),
        (SMALL + CATEGORY.format(id="a", price=1.5, types='["one"]'), "category.a.price"),
        (SMALL + CATEGORY.format(id="a", price=10**13, types='["one"]'), "category.a.price"),
        (SMALL + CATEGORY.format(id="A b", price=1, types='["one"]'), "category.A b.id"),
        (SMALL + CATEGORY.format(id="a", price=1, types='["three"]'), "three"),
        (SMALL + CATEGORY.format(id="a", price=1, types="[]"), "category.a.insight_types"),
        (SMALL + CATEGORY.format(id="a", price=1, types='["one", "one"]'), "one"),
        (SMALL + 2 * CATEGORY.format(id="a", price=1, types='["one"]'), "a stands there"),
        (SMALL + TYPE.format(id="one") + CATEGORY.format(id="a", price=1, types='["one"]'), "one stands"),
        (SMALL + 'colour = "red"\n' + CATEGORY.format(id="a", price=1, types='["one"]'), "two.colour"),
    ],
)
def test_a_wrong_file_is_refused_with_the_entry_that_is_wrong_and_changes_nothing(
    database_url: str, load: Callable[[str], None], tmp_path: Path, content: str, named: str
) -> None:
    load(SMALL + CATEGORY.format(id="kept", price=1, types='["one"]'))

    with pytest.raises(CatalogueError) as raised:
        load(content)

    assert str(tmp_path / "catalogue.toml") in str(raised.value)
    assert named in str(raised.value)
    assert list(offers(database_url)) == ["kept"]


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"missing\.toml"):
        read_catalogue(tmp_path / "missing.toml")


def test_migrate_says_what_is_wrong_with_the_catalogue_and_fails(database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "catalogue.toml"
    path.write_text(SMALL)
    environment = {
        "HOLDFAST_CHAT_DATABASE_URL": database_url,
        "HOLDFAST_CHAT_CATALOGUE_FILE": str(path),
    }

    ended = subprocess.run(
        [sys.executable, "-m", "chat_service", "migrate"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1
    assert f"chat_service: {path}: category: Field required" in ended.stderr
    assert "Traceback" not in ended.stderr
