"""Settings of the agent service, read from `AIDATALABS_AGENT_…`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from aidatalabs_services.agent.models.models import OFFLINE
from aidatalabs_services.runtime.settings import ServerSettings

_ALIAS = r"^[a-z0-9][a-z0-9._-]{0,31}$"
_BASE_URL = re.compile(r"(https?)://([^\s:/@]+|\[[0-9a-fA-F:]+\])(:\d{1,5})?(/[^\s?#]*)?")
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
PRESETS: dict[str, dict[str, str]] = {
    "claude": {
        "provider": "anthropic",
        "base_url": "https://api.anthropic.com",
        "name": "claude-sonnet-5",
    },
    "gpt4": {"provider": "openai", "base_url": "https://api.openai.com/v1", "name": "gpt-4.1"},
    "glm5": {"provider": "openai", "base_url": "https://api.z.ai/api/paas/v4", "name": "glm-5"},
}
"""What the aliases of these names are where the operator says nothing else."""


class ModelSettings(BaseModel):
    """One model under its alias."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: Literal["anthropic", "openai"] = Field(
        description="Wire format: Anthropic's Messages, or OpenAI's Chat Completions, which many speak."
    )
    base_url: str = Field(description="Where the provider is; https, or http with `plain_http`.")
    name: str = Field(min_length=1, description="The model's name at its provider.")
    key_file: Path | None = Field(
        default=None,
        description="File that holds the key and nothing else; read for each request, so it may be renewed.",
    )
    input_usd_per_million: float = Field(ge=0, description="Price of a million tokens of input, US dollars.")
    output_usd_per_million: float = Field(
        ge=0, description="Price of a million tokens of output, US dollars."
    )
    most_output_tokens: int = Field(default=4096, ge=256, le=65_536, description="Most tokens of one reply.")
    stream: bool = Field(default=True, description="Whether replies are streamed.")
    output_limit: Literal["", "max_tokens", "max_completion_tokens"] = Field(
        default="",
        description="What OpenAI's format calls `most_output_tokens` there; empty: as the base URL suggests.",
    )
    plain_http: bool = Field(
        default=False, description="Allows http to another machine; keys travel readable."
    )

    @field_validator("base_url")
    @classmethod
    def _is_url(cls, text: str) -> str:
        if not _BASE_URL.fullmatch(text):
            raise ValueError("must be `https://host[:port][/path]`, without user, query or fragment")
        return text.rstrip("/")

    @model_validator(mode="after")
    def _is_private(self) -> Self:
        match = _BASE_URL.fullmatch(self.base_url)
        plain = match is not None and match.group(1) == "http" and match.group(2) not in _LOOPBACK
        if plain and not self.plain_http:
            raise ValueError("base_url is http to another machine: use https, or set plain_http")
        return self


class AgentSettings(ServerSettings):
    """What the agent service needs to know beside what every server does."""

    model_config = SettingsConfigDict(
        env_prefix="AIDATALABS_AGENT_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    data_address: str = Field(
        min_length=1,
        description="gRPC address of the data service, `unix:/path.sock` or `host:port`.",
    )
    postgres_url: str = Field(
        default="",
        pattern=r"^(postgres(ql)?://.*)?$",
        repr=False,
        description="DSN of the PostgreSQL database that keeps conversations and the key of seals: "
        "`postgresql://…`; empty: nothing is kept and no proof is sealed.",
    )
    postgres_connections: int = Field(
        default=10, ge=1, description="Most connections held open to PostgreSQL."
    )
    conversation_retention_days: float = Field(
        default=30.0,
        gt=0,
        le=3660,
        description="Conversations that nobody went on with for so long are deleted.",
    )
    lessons: int = Field(
        default=1000, ge=0, le=100_000, description="Most lessons in use on one platform; 0 learns nothing."
    )
    conversation_turns: int = Field(
        default=200, ge=1, le=10_000, description="Most questions of one conversation."
    )
    catalogue_memory_mib: int = Field(
        default=1024,
        ge=16,
        description="About how much memory in MiB the catalogues of the platforms that were asked last may "
        "take together with what is derived from them; a single one may be larger.",
    )
    models: dict[Annotated[str, Field(pattern=_ALIAS)], ModelSettings] = Field(
        default_factory=dict,
        description='Models by alias, JSON: {"claude": {"key_file": …, "input_usd_per_million": …, …}, …}; '
        "see docs/models.md. Empty: the planner answers everything.",
    )
    model_keys: dict[str, SecretStr] = Field(
        default_factory=dict,
        description='Keys by alias, JSON, for models without a `key_file`: {"claude": "…"}.',
    )
    model_default: str = Field(
        default=OFFLINE,
        pattern=_ALIAS,
        description="Who answers where a question names no model: an alias, or `offline` for the planner.",
    )
    model_tokens_a_day: int = Field(
        default=1_000_000,
        ge=0,
        description="Tokens that the models may use for one platform until midnight UTC; 0: no limit.",
    )
    model_usd_a_day: float = Field(
        default=5.0,
        ge=0,
        description="US dollars that the models may cost one platform until midnight UTC; 0: no limit.",
    )
    model_spending_file: Path | None = Field(
        default=None,
        description="Where the sums of the day are kept; unset: in memory, so that a restart forgets them.",
    )
    model_running_calls: int = Field(
        default=16,
        ge=1,
        description="Questions that are with models at the same time; beyond, the planner answers at once.",
    )
    model_examples_count: int = Field(
        default=5,
        ge=0,
        le=20,
        description="Most lessons of the platform that a model is shown as examples, those nearest to the "
        "question; none where it sees no values either.",
    )
    model_steps: int = Field(default=8, ge=1, le=8, description="Most replies of a model to one question.")
    model_repairs: int = Field(
        default=3,
        ge=0,
        le=3,
        description="Queries of a model that may be refused before the planner answers.",
    )
    model_request_seconds: float = Field(
        default=20.0, gt=0, description="Longest wait for one reply of a model."
    )
    model_question_seconds: float = Field(
        default=40.0,
        gt=0,
        description="Longest time of a model for one question; never over 70 % of what the call has left.",
    )
    model_attempts: int = Field(
        default=3, ge=1, le=5, description="How often a request is made that a provider turned away."
    )
    model_backoff_seconds: float = Field(
        default=0.5,
        gt=0,
        description="Pause before a request is made again, twice as long each time; longer where asked for.",
    )
    model_failures_count: int = Field(
        default=5,
        ge=1,
        description="Questions that a provider fails in a row before its model is left alone for a while.",
    )
    model_pause_seconds: float = Field(
        default=30.0,
        gt=0,
        description="How long that is; the planner answers, then one question tries again.",
    )
    model_estimated_rows: int = Field(
        default=1_000_000_000,
        ge=0,
        description="Rows that a model's query may be expected to read; 0: the platform's own limits alone.",
    )
    model_catalogue_count: int = Field(
        default=60_000,
        ge=1_000,
        description="Characters of the catalogue in a model's first message; it asks for what does not fit.",
    )
    model_values_count: int = Field(
        default=12,
        ge=0,
        le=200,
        description="Stored values of each text column that models see; 0: none, and no looking them up.",
    )

    @field_validator("models", mode="before")
    @classmethod
    def _with_presets(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        return {
            alias: {**PRESETS.get(alias, {}), **terms} if isinstance(terms, dict) else terms
            for alias, terms in given.items()
        }

    @model_validator(mode="after")
    def _models_are_whole(self) -> Self:
        if OFFLINE in self.models:
            raise ValueError(f"models: {OFFLINE!r} is the planner and no alias of a model")
        if self.model_default != OFFLINE and self.model_default not in self.models:
            raise ValueError("model_default is none of the aliases of models")
        keyless = [
            alias
            for alias, model in self.models.items()
            if not model.key_file and alias not in self.model_keys
        ]
        if keyless:
            raise ValueError(f"models: {', '.join(keyless)}: set key_file, or a key in model_keys")
        free = [
            a for a, m in self.models.items() if not (m.input_usd_per_million or m.output_usd_per_million)
        ]
        if free and not self.model_tokens_a_day:
            raise ValueError(f"models: {', '.join(free)}: without a price there has to be a budget of tokens")
        return self
