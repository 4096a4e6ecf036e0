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
from chat_service.catalogue.prices import share
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


SCHEMA = """{
  "type": "object", "additionalProperties": false, "required": ["signs", "sentences"],
  "properties": {
    "signs": {"type": "array", "items": {
      "type": "object", "additionalProperties": false, "required": ["title", "strength", "quotes"],
      "properties": {
        "title": {"type": "string"}, "strength": {"type": "integer"},
        "quotes": {"type": "array", "items": {"$ref": "#/$defs/quote"}}}}},
    "sentences": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"type": "string"}}}}"""
DRAWING = 'items = "signs"\nlabel = "title"\ncolumns = [{title = "S", field = "strength"}]\n'
ASKED = (
    TYPE.format(id="asked")
    + 'price = 7\nstatistics = ["one"]\nprompt = "Say it."\nresult_schema = \'\'\'\n'
    + SCHEMA
    + "'''\n[insight_type.drawing]\n"
    + DRAWING
)
BOTH = CATEGORY.format(id="a", price=30, types='["one", "asked"]')


def test_what_a_model_makes_is_on_sale_only_where_there_is_one_and_at_its_part_of_the_price(
    database_url: str, load: Callable[[str], None]
) -> None:
    # Given a bundle for 30 of a computed type that is worth 3 and one by a model that is worth 7
    only = CATEGORY.format(id="b", price=5, types='["asked"]')
    load(TYPE.format(id="one") + "price = 3\n" + ASKED + BOTH + only)
    # Then without a model the first costs its part, and what is nothing without one is not on sale
    assert offers(database_url, with_model=True) == {"a": (30, ["one", "asked"]), "b": (5, ["asked"])}
    assert offers(database_url, with_model=False) == {"a": (9, ["one"])}
    with pytest.raises(CategoryNotFound):
        read(database_url, partial(list_insight_types, category_id="b", with_model=False))


def test_a_category_without_a_price_costs_what_its_types_cost(
    database_url: str, load: Callable[[str], None]
) -> None:
    load(TYPE.format(id="one") + "price = 3\n" + ASKED + BOTH.replace("price = 30\n", ""))
    assert offers(database_url, with_model=True) == {"a": (10, ["one", "asked"])}


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ("price = 7", "price = 0", "insight_type.asked.price"),
        ("price = 7", "min_people = 3\nmax_people = 2", "max_people is 2, less than min_people, 3"),
        ('prompt = "Say it."', "", "prompt and result_schema go together"),
        ('statistics = ["one"]', 'statistics = ["nine"]', "nine is no computed insight_type"),
        ('statistics = ["one"]', 'statistics = ["asked"]', "asked is no computed insight_type"),
        ('chart = "bars"', 'chart = "pie"', "insight_type.asked.chart"),
        ('"type": "object", "additional', '"type": "list", "additional', "is no JSON schema"),
        ('label = "title"', 'label = "wonder"', "no plain field wonder"),
        ('"title": {"type": "string"}', '"title": true', "$.signs[].title: must be an object"),
        ('"required": ["signs", ', '"required": ["signs", 5, ', "is no JSON schema"),
        ('"maxItems": 3', '"maxItems": 30', "$.sentences"),
        ('"maxItems": 3', '"pattern": "x"', "pattern is not supported"),
        ('{"$ref": "#/$defs/quote"}', '{"type": "string"}', "needs a quote somewhere"),
        ('{"$ref": "#/$defs/quote"}', '{"$ref": "#/$defs/lie"}', "only #/$defs/quote can be referred to"),
        ('"title", "strength", "quotes"]', '"title"]', "required must name all properties"),
        ('"signs": {"type": "array", ', '"signs": {"type": "array", "minItems": "2", ', "is no JSON schema"),
        ('"signs"', '"chart"', "the name is taken"),
        ('"required": ["signs", ', '"required" ["signs", ', "is not JSON"),
        ('field = "strength"', 'field = "title"', "title is no number, which bars needs"),
        ('items = "signs"', 'items = "wonders"', "wonders is no list of objects"),
        ('label = "title"', "", "bars needs a label"),
    ],
)
def test_a_wrong_type_of_a_model_is_refused_with_what_is_wrong(
    tmp_path: Path, before: str, after: str, named: str
) -> None:
    # Given a file that is right but for one place
    assert before in ASKED
    wrong = ASKED.replace(before, after)
    path = tmp_path / "catalogue.toml"
    path.write_text(TYPE.format(id="one") + wrong + BOTH)
    # Then it is refused, and says so in the entry's name
    with pytest.raises(CatalogueError) as raised:
        read_catalogue(path)
    assert named in str(raised.value)
    assert "asked" in str(raised.value)


def test_a_bundle_that_no_chat_can_get_all_of_is_refused_unless_it_is_charged_in_part(
    tmp_path: Path,
) -> None:
    types = TYPE.format(id="one") + "max_people = 2\n" + TYPE.format(id="two") + "min_people = 3\n"
    bundle = CATEGORY.format(id="a", price=1, types='["one", "two"]')
    path = tmp_path / "catalogue.toml"
    path.write_text(types + bundle)
    with pytest.raises(CatalogueError, match="one takes at most 2 people and two at least 3"):
        read_catalogue(path)
    path.write_text(types + bundle + 'charge = "what_succeeded"\n')
    assert read_catalogue(path).category[0].charge == "what_succeeded"


@pytest.mark.parametrize(
    ("price", "part", "whole", "costs"),
    [
        (30, 10, 30, 10),
        (100, 1, 3, 33),
        (100, 3, 3, 100),
        (1, 1, 3, 1),
        (10, 0, 3, 0),
        (10**12, 1, 1, 10**12),
    ],
)
def test_a_part_costs_its_part_rounded_down_but_never_nothing(
    price: int, part: int, whole: int, costs: int
) -> None:
    assert share(price, part, whole) == costs


def test_what_is_no_part_has_no_price() -> None:
    with pytest.raises(ValueError, match="4 is no part of 3"):
        share(10, 4, 3)


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
