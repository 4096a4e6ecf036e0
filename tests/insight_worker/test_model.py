"""The language model's answers as the worker keeps them."""

from collections.abc import Mapping

from chat_service.jobs.limits import MAX_STRUCT_BYTES
from insight_worker.model import LanguageModel
from insight_worker.pipelines.interface import JsonValue, ModelQuestion
from insight_worker.settings import WorkerSettings
from tests.fakes.openai_server import FakeOpenAI

_SCHEMA: Mapping[str, JsonValue] = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "required": ["text"],
    "additionalProperties": False,
}


def test_an_answer_of_any_length_and_script_fits_into_the_step_that_keeps_it() -> None:
    with FakeOpenAI() as fake:
        # Given a model that does not stop, in a script of three bytes a character
        fake.answer_with(lambda _: "त" * 150_000)
        model = LanguageModel(WorkerSettings(model_base_url=fake.base_url, model_name="fake"))
        try:
            # When it is asked
            answer = model.ask(ModelQuestion("warmth", (("user", "how warm?"),), _SCHEMA))
        finally:
            model.close()
    # Then what is kept can be saved, so that it is not paid for again
    assert 0 < len(answer.text.encode()) < MAX_STRUCT_BYTES
    assert set(answer.text) == {"त"}
