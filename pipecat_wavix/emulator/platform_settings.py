"""How the emulated platform behaves: its address, its account, and all that is unknown of Wavix.

It knows values and their limits. It refuses to know what is done with them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pipecat_wavix.emulator.numbers import Numbers
from pipecat_wavix.emulator.settings import CallSettings

DEFAULT_PORT: Final = 8400
DEFAULT_NUMBER: Final = "+12025550100"

_MAX_SECS: Final = 3600


@dataclass(frozen=True, kw_only=True)
class EmulatorSettings:
    """Everything about an emulator but what it is told while it runs.

    Attributes:
        host: Where it listens. Anywhere but on this machine alone, whoever reaches it can control
            it: only the API has a key.
        port: Where it listens; 0 for one that is free.
        api_key: What a client must send as its Bearer token.
        numbers: Of the account, in E.164.
        call_status_url: Where the events of the first number's calls are sent.
        call: How the media of each call is; its `call_id` and `stream_id` are not used.
        seed: The same number has the same ids and the same accidents again, of the network and of
            all else. `None`: other ids every time, so that a bot's server which has seen a call
            does not take it for that one; the accidents are those of `call`'s own seed.
        recordings: A folder in which each answered call leaves a folder with its recording and its
            trace, named by its id; `None` for no recordings.
        setup_secs: From `call_setup` to `ringing`.
        ring_secs: How long a caller lets it ring, and a call of the account without a `timeout`.
        webhook_timeout_secs: How long a server may take to answer a webhook.
        webhook_retries: How often a webhook that was not answered with 2xx is sent again.
        from_plus: Whether `from` of an inbound call is shown with its `+`.
        to_plus: Whether `to` of an inbound call is shown with its `+`.
        stream_before_reply: Whether a stream's `start` comes before the reply to the request that
            starts it, or after.
        completed_found_secs: How long a call that is over is still found by its id.
        prompts_from_anywhere: Whether prompts are fetched from other machines too.
        handset_to: Whom the handset's page offers to call: a bot's media socket, or a number. `None`
            for the first number.

    Raises:
        ValueError: A value is out of its range.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    api_key: str = "emulator"
    numbers: Sequence[str] = (DEFAULT_NUMBER,)
    call_status_url: str | None = None
    call: CallSettings = field(default_factory=CallSettings)
    seed: int | None = None
    recordings: Path | None = None
    setup_secs: float = 0.1
    ring_secs: float = 30.0
    webhook_timeout_secs: float = 5.0
    webhook_retries: int = 0
    from_plus: bool = True
    to_plus: bool = False
    stream_before_reply: bool = False
    completed_found_secs: float = 60.0
    prompts_from_anywhere: bool = False
    handset_to: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port is {self.port}: give 1 to 65535, or 0 for a free one")
        if not self.api_key or not self.api_key.isascii() or not self.api_key.isprintable():
            raise ValueError("api_key is empty or not printable ASCII: give another")
        if not self.numbers:
            raise ValueError("numbers is empty: give the account at least one number")
        Numbers(self.numbers)
        for name in ("setup_secs", "ring_secs", "completed_found_secs"):
            if not 0 <= (value := getattr(self, name)) <= _MAX_SECS:
                raise ValueError(f"{name} is {value}: give 0 to {_MAX_SECS} seconds")
        if not 0 < self.webhook_timeout_secs <= _MAX_SECS:
            raise ValueError(
                f"webhook_timeout_secs is {self.webhook_timeout_secs}: give seconds above 0"
            )
        if not 0 <= self.webhook_retries <= 10:
            raise ValueError(f"webhook_retries is {self.webhook_retries}: give 0 to 10")
