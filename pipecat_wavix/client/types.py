"""What the REST API takes and gives besides calls: prompts, webhooks and numbers."""

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from pipecat_wavix.client.checks import check_one_of, check_url

CallEvent = Literal["on-call", "post-call"]
StreamType = Literal["oneway", "twoway"]
StreamChannel = Literal["inbound", "outbound", "both"]
Language = Literal["ru", "en", "sp", "ge"]
Voice = Literal[
    "Ivy",
    "Joanna",
    "Kendra",
    "Kimberly",
    "Salli",
    "Joey",
    "Justin",
    "Matthew",
    "Conchita",
    "Lucia",
    "Enrique",
    "Marlene",
    "Vicki",
    "Hans",
    "Tatyana",
    "Maxim",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What the caller hears before digits are collected: a file, or a text and its voice.

    Attributes:
        play: URL of an audio file. May be secret, so it is not in the `repr`.
        say: A text, spoken by Wavix.
        voice: The voice that speaks it; needed with `say`.
        language: The text's language: Russian, English, Spanish (`sp`) or German (`ge`).
    """

    play: str | None = field(default=None, repr=False)
    say: str | None = field(default=None, repr=False)
    voice: Voice | None = None
    language: Language | None = None

    def __post_init__(self) -> None:
        if (self.play is None) == (self.say is None):
            raise ValueError("a Prompt plays a file or says a text: give either play or say")
        if self.play is not None:
            check_url(self.play, name="play", schemes=("https", "http"))
            if self.voice or self.language:
                raise ValueError("a Prompt that plays a file has no voice: give say, or leave it")
        else:
            check_one_of(self.voice or "", name="voice", of=get_args(Voice))
            if self.language is not None:
                check_one_of(self.language, name="language", of=get_args(Language))

    def fields(self) -> dict[str, Any]:
        """The JSON of it."""
        if self.play is not None:
            return {"play": self.play}
        say = {"text": self.say, "language": self.language, "voice": self.voice}
        return {"say": {name: value for name, value in say.items() if value is not None}}


@dataclass(frozen=True, slots=True)
class CallWebhook:
    """Where Wavix tells of the account's calls.

    Attributes:
        event: `on-call` (while a call lasts) or `post-call` (when it is over).
        url: Where to; its path may be a secret, so it is not in the `repr`.
    """

    event: str
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class WavixNumber:
    """A telephone number of the account.

    Attributes:
        id: What `set_number_webhook` takes.
        number: In E.164.
        call_status_url: Where Wavix tells of this number's calls; None: nowhere of its own.
    """

    id: int
    number: str = field(repr=False)
    call_status_url: str | None = field(default=None, repr=False)
