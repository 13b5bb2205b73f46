"""Settings that every service shares, and the way settings are read: typed, frozen, all errors told at once.

A service derives its class and names its prefix:

    class DataSettings(ServerSettings):
        model_config = SettingsConfigDict(env_prefix="AIDATALABS_DATA_")
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from aidatalabs_services.runtime.tls import TlsFiles

_ADDRESS = r"^(unix:/.+|[^\s:/]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5})$"
_MIB = 1024 * 1024

_OTLP_ENDPOINT = re.compile(r"(https?://([^\s:/@]+|\[[0-9a-fA-F:]+\]):\d{1,5})?")


def _otlp_endpoint(text: str) -> str:
    if not _OTLP_ENDPOINT.fullmatch(text):
        raise ValueError("must be `http://host:port` or `https://host:port`, without user or path")
    return text


OtlpEndpoint = Annotated[str, AfterValidator(_otlp_endpoint)]
"""A collector's address as settings take it; empty for none."""

_UNREADABLE_FIELD = re.compile(r'field "(\w+)"')

SettingsType = TypeVar("SettingsType", bound=BaseSettings)


class SettingsInvalid(Exception):
    """The environment does not make valid settings; the text lists every variable and what is wrong."""


class ServerSettings(BaseSettings):
    """What a gRPC server of ours needs to know. Derive from it and set `env_prefix`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    listen_address: str = Field(
        pattern=_ADDRESS,
        description="Where gRPC listens: `unix:/path.sock` (mode 0600) or `host:port` (0: any free port).",
    )
    jwks_url: str = Field(
        pattern=r"^(unix:/|https?://).+",
        description="Where the identity service's public keys are: `unix:/path.sock` or `http://host:port`.",
    )
    platform_address: str = Field(
        default="",
        pattern=_ADDRESS[:-1] + "|$",
        description="gRPC address of the platform service, asked for roles; empty where roles are kept here.",
    )
    tls_certificate: Path | None = Field(
        default=None,
        description="This service's certificate (PEM). With the next two, every connection is mutual TLS.",
    )
    tls_key: Path | None = Field(default=None, description="The key of the certificate (PEM).")
    tls_authority: Path | None = Field(
        default=None, description="The certificate of the authority that all peers' certificates come from."
    )
    peer_addresses: dict[str, Annotated[str, Field(pattern=_ADDRESS)]] = Field(
        default_factory=dict,
        description='Services that health answers for beside this one: JSON {"agent": "unix:/path.sock", …}.',
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least serious log lines that are written."
    )
    metrics_address: str = Field(
        default="",
        pattern=_ADDRESS[:-1] + "|$",
        description="Where `/metrics` is read: `unix:/path.sock` (mode 0600) or `host:port`; empty: nowhere.",
    )
    telemetry_otlp_endpoint: OtlpEndpoint = Field(
        default="",
        description="The collector of traces (OTLP, gRPC): `http://host:4317` or `https://…`; empty: none.",
    )
    telemetry_sampled_share: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Share of the traces beginning here that are recorded; those of callers as they chose.",
    )
    running_calls: int = Field(
        default=64, ge=1, description="Calls that run at the same time; one platform gets three quarters."
    )
    queued_calls: int = Field(
        default=1024, ge=0, description="Calls that wait for a place; beyond, callers are told to come back."
    )
    queued_bytes: int = Field(
        default=64 * _MIB, ge=0, description="Bytes of the messages of the calls that wait for a place."
    )
    queued_seconds: float = Field(
        default=2.0, gt=0, description="Longest wait of a call for a place; then it is told to come back."
    )
    unsent_bytes: int = Field(
        default=256 * _MIB,
        ge=_MIB,
        description="Bytes of answers that their readers have not taken yet; one caller's, a quarter.",
    )
    receive_bytes: int = Field(
        default=16 * _MIB, ge=4096, description="Bytes of one incoming message; a method may take less."
    )
    drain_wait_seconds: float = Field(
        default=0.25,
        ge=0,
        description="Seconds between NOT_SERVING and the last accepted call, for balancers.",
    )
    drain_limit_seconds: float = Field(
        default=65.0,
        gt=0,
        description="Most seconds that running calls get to finish after a stop signal; less than the "
        "longest deadline of this service's methods cuts calls.",
    )

    @property
    def tls(self) -> TlsFiles | None:
        """The files of mutual TLS; None where connections are plain (a service alone, a sidecar's TLS)."""
        if self.tls_certificate is None or self.tls_key is None or self.tls_authority is None:
            return None
        return TlsFiles(self.tls_certificate, self.tls_key, self.tls_authority)

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        given = [self.tls_certificate, self.tls_key, self.tls_authority]
        if any(given) and not all(given):
            raise ValueError("tls_certificate, tls_key and tls_authority are set together or not at all")
        return self


def load_settings(kind: type[SettingsType]) -> SettingsType:
    """Reads `kind` from the environment. Raises SettingsInvalid with every problem, never with a value."""
    try:
        return kind()
    except ValidationError as error:
        prefix = str(kind.model_config.get("env_prefix", ""))
        lines = []
        for problem in error.errors(include_input=False, include_url=False):
            name = "_".join(str(part) for part in problem["loc"])
            field = kind.model_fields.get(str(problem["loc"][0])) if problem["loc"] else None
            about = f" ({field.description})" if field and field.description else ""
            variable = f"{prefix}{name}".upper() if name else f"{prefix}*".upper()
            lines.append(f"  {variable}: {problem['msg']}{about}")
        raise SettingsInvalid("These settings are missing or wrong:\n" + "\n".join(lines)) from None
    except SettingsError as error:
        # Told before any field is checked; its cause holds the value, which may be a secret.
        found = _UNREADABLE_FIELD.search(str(error))
        prefix, name = str(kind.model_config.get("env_prefix", "")), found.group(1) if found else "*"
        variable = f"{prefix}{name}".upper()
        raise SettingsInvalid(
            f"These settings are missing or wrong:\n  {variable}: is not the JSON that it should be"
        ) from None
