"""Between Struct and JSON."""

import math
from typing import Any, cast

import pytest

from insight_worker.structs import from_struct, to_struct


def test_what_a_pipeline_makes_survives_the_way_through_a_struct() -> None:
    # Given nested data with tuples, as stages like to make it
    data = {"cells": ((1, 2.5), (0, -1)), "name": "Ana", "none": None, "yes": True, "by": {"Ben": [1]}}
    # When it goes through a Struct
    back = from_struct(to_struct(data))
    # Then tuples are lists and all numbers floats, and nothing else has changed
    assert back == {
        "cells": [[1, 2.5], [0, -1]],
        "name": "Ana",
        "none": None,
        "yes": True,
        "by": {"Ben": [1]},
    }


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_have_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        to_struct({"deep": [{"value": value}]})


def test_a_type_that_json_does_not_have_is_named() -> None:
    with pytest.raises(ValueError, match="set does not fit"):
        to_struct({"value": cast(Any, {1})})
