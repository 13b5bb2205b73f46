"""The models that the settings name, each with the adapter of its wire format."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from aidatalabs_services.agent.adapters.provider_failures import key_from
from aidatalabs_services.agent.adapters.spending_file import SpendingFile
from aidatalabs_services.agent.models.conversation import ModelProvider
from aidatalabs_services.agent.models.models import Models, Times
from aidatalabs_services.agent.models.prompts import View
from aidatalabs_services.agent.models.requests import ConfiguredModel
from aidatalabs_services.agent.models.session import Bounds
from aidatalabs_services.agent.models.spending import MemoryStore, ModelBudget, Prices, SpendingStore
from aidatalabs_services.agent.settings import AgentSettings, ModelSettings

_OPENAI = "https://api.openai.com/"


def configured_models(settings: AgentSettings, clock: Callable[[], datetime]) -> Models:
    """What the operator has configured; with nothing, models that refuse every alias but the planner's."""
    file = settings.model_spending_file
    store: SpendingStore = SpendingFile(file) if file else MemoryStore()
    return Models(
        {alias: _configured(alias, model, settings) for alias, model in settings.models.items()},
        ModelBudget(
            store,
            tokens_a_day=settings.model_tokens_a_day,
            usd_a_day=settings.model_usd_a_day,
            clock=clock,
        ),
        Bounds(
            most_steps=settings.model_steps,
            most_repairs=settings.model_repairs,
            most_estimated_rows=settings.model_estimated_rows,
            view=View(
                settings.model_catalogue_count, settings.model_values_count, settings.model_examples_count
            ),
        ),
        Times(
            settings.model_request_seconds,
            settings.model_question_seconds,
            settings.model_attempts,
            settings.model_backoff_seconds,
            settings.model_failures_count,
            settings.model_pause_seconds,
        ),
        most_running=settings.model_running_calls,
        default=settings.model_default,
    )


def _configured(alias: str, model: ModelSettings, settings: AgentSettings) -> ConfiguredModel:
    prices = Prices(model.input_usd_per_million, model.output_usd_per_million)
    return ConfiguredModel(
        alias, model.name, _provider(alias, model, settings), prices, model.most_output_tokens
    )


def _provider(alias: str, model: ModelSettings, settings: AgentSettings) -> ModelProvider:
    key = key_from(model.key_file) if model.key_file else settings.model_keys[alias].get_secret_value
    # An SDK costs a second of start and tens of megabytes: only who uses its format pays.
    if model.provider == "anthropic":
        from aidatalabs_services.agent.adapters.anthropic_model import AnthropicModel

        return AnthropicModel(
            name=model.name,
            base_url=model.base_url,
            key=key,
            most_output_tokens=model.most_output_tokens,
            stream=model.stream,
        )
    from aidatalabs_services.agent.adapters.openai_model import OpenAiModel

    newer = f"{model.base_url}/".startswith(_OPENAI)
    return OpenAiModel(
        name=model.name,
        base_url=model.base_url,
        key=key,
        most_output_tokens=model.most_output_tokens,
        stream=model.stream,
        output_limit=model.output_limit or ("max_completion_tokens" if newer else "max_tokens"),
    )
