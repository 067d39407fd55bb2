"""What a server has to be told, and what happens if it is not: it does not start.

It knows values, their limits and the environment's names for them. It refuses to know how they are
used.
"""

import os
from collections.abc import Mapping
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from pipecat_wavix.client.checks import check_url
from pipecat_wavix.tokens import MIN_SECRET_CHARS
from pipecat_wavix.webhooks import e164

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_RECIPE = 'python -c "import secrets; print(secrets.token_urlsafe(32))"'


class WavixSettings(BaseModel):
    """How `wavix_router` is reached, and how much it takes on.

    Parameters:
        public_url: Where Wavix reaches the router, `https://` and a host, with whatever path a proxy
            or a prefix puts before the router's own. `http://` for this machine alone.
        secret: From it come the webhook's path and the keys that sign; at least 32 characters, the
            same in every process of the bot.
        operator_key: Bearer key of `POST /wavix/calls` and `GET /metrics`. Without it, neither
            exists.
        from_number: The caller id of calls that do not name one.
        max_calls: How many calls this process takes at a time. More are refused before they are
            answered, so that those in progress stay whole.
        drain_secs: How long calls in progress may go on after SIGTERM; 0: they are hung up at once.
            Whatever stops the process has to have more patience than that.
        token_ttl_secs: How long a stream may take from our asking for it to its socket.
        start_timeout_secs: How long a socket may take from its opening to `start`.
        max_body_bytes: Of a webhook or a request.
        poll_secs: How often the state of an outbound call is asked for, in case its webhooks are
            lost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    public_url: str
    secret: SecretStr
    operator_key: SecretStr | None = None
    from_number: str | None = None
    max_calls: int = Field(default=50, ge=1)
    drain_secs: float = Field(default=0, ge=0, le=3600)
    token_ttl_secs: int = Field(default=60, ge=5, le=600)
    start_timeout_secs: float = Field(default=10, gt=0, le=60)
    max_body_bytes: int = Field(default=64 * 1024, ge=4096)
    poll_secs: float = Field(default=5, gt=0)

    @field_validator("public_url")
    @classmethod
    def _is_public(cls, value: str) -> str:
        try:
            check_url(value, name="public_url", schemes=("https", "http"))
            parts = urlsplit(value)
            well_formed = parts.username is None and "?" not in value and parts.port != 0
        except ValueError:
            well_formed = False
        if not well_formed or not value.startswith(("https://", "http://")):
            raise ValueError("public_url must be like https://bot.example.com, without a query")
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ValueError(
                f"public_url must begin with https:// (http:// is for {_LOOPBACK[0]} alone): "
                "calls and secrets would go over the internet in the clear"
            )
        return value.rstrip("/")

    @field_validator("secret", "operator_key")
    @classmethod
    def _is_long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < MIN_SECRET_CHARS:
            raise ValueError(
                f"it has {len(value.get_secret_value())} characters; at least {MIN_SECRET_CHARS} "
                f"are needed. Make one: {_RECIPE}"
            )
        return value

    @field_validator("from_number")
    @classmethod
    def _is_number(cls, value: str | None) -> str | None:
        if value is not None and not (number := e164(value)):
            raise ValueError("from_number must be in E.164, like +12025550100")
        return number if value is not None else None

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Take them from the environment.

        `WAVIX_PUBLIC_URL` and `WAVIX_SECRET` have to be there; `WAVIX_OPERATOR_KEY`,
        `WAVIX_FROM_NUMBER`, `WAVIX_MAX_CALLS` and `WAVIX_DRAIN_SECS` may.

        Args:
            environ: The environment.

        Raises:
            ValueError: If something is missing or out of its range; the message says what to set.
        """
        for name, example in (
            ("WAVIX_PUBLIC_URL", "https://bot.example.com"),
            ("WAVIX_SECRET", f"what this prints: {_RECIPE}"),
        ):
            if not environ.get(name):
                raise ValueError(f"{name} is not set. Set it to {example}")
        names = {field: f"WAVIX_{field.upper()}" for field in _FROM_ENV}
        try:
            return cls.model_validate(
                {field: environ[name] for field, name in names.items() if environ.get(name)}
            )
        except ValidationError as error:
            wrong = [f"{names[str(e['loc'][0])]}: {e['msg']}" for e in error.errors()]
            raise ValueError("; ".join(wrong)) from None


_FROM_ENV = ("public_url", "secret", "operator_key", "from_number", "max_calls", "drain_secs")
