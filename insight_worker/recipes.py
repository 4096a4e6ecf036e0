"""How insight types are made, as a claim brings it."""

import json
from collections.abc import Mapping

from insight_worker.pipelines.interface import ModelRecipe, Recipe
from insight_worker.structs import from_struct
from protos.insight.v1 import insight_pb2


def of_claim(claim: insight_pb2.ClaimJobResponse) -> Mapping[str, Recipe]:
    """Answer the recipes of a claim by insight type. chat_service has checked them."""
    return {recipe.insight_type_id: _recipe(recipe) for recipe in claim.recipes}


def _recipe(recipe: insight_pb2.InsightRecipe) -> Recipe:
    return Recipe(
        min_people=recipe.min_people,
        max_people=recipe.max_people if recipe.HasField("max_people") else None,
        min_messages=recipe.min_messages,
        model=_model_recipe(recipe.model) if recipe.HasField("model") else None,
    )


def _model_recipe(recipe: insight_pb2.ModelRecipe) -> ModelRecipe:
    return ModelRecipe(
        prompt=recipe.prompt,
        statistics=tuple(recipe.statistics),
        result_schema=json.loads(recipe.result_schema),
        chart=recipe.chart,
        drawing=from_struct(recipe.drawing),
    )
