"""What proves that a socket or a webhook belongs to a call that we took or made.

Wavix signs nothing: whoever knows a URL could use it. So the last path segment of each URL that we
give to Wavix is a token: encrypted and signed (Fernet, of the library `cryptography`), bound to
one call and one purpose, and short-lived. It carries what a bot needs to know of the call, so that
any process that holds the secret can take it; it shows nothing of that to a proxy's log.

It knows secrets and tokens. It refuses to know sockets and calls in progress.
"""

import base64
import hashlib
import hmac
import secrets
from collections import OrderedDict
from typing import Any, Final, Literal, TypeVar

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MIN_SECRET_CHARS: Final = 32
"""A shorter secret can be guessed; `python -c "import secrets; print(secrets.token_urlsafe(32))"`
makes one that cannot."""

MAX_TOKEN_CHARS: Final = 4096
"""Longer ones are refused before they are looked at."""

MAX_BODY_BYTES: Final = 2048
"""How much a bot's author may have a token carry; a URL is no place for more."""


class StreamPass(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the token of a media socket carries.

    Attributes:
        call_id: The one call that it is good for.
        direction: Of the call.
        from_number: In E.164, or None.
        to_number: In E.164, or None.
        tag: Of the call.
        body: From the bot's author, for the bot.
        voicemail_detection: Whether Wavix was asked to tell a machine from a person.
        nonce: What tells it from every other.
    """

    call_id: str
    direction: Literal["inbound", "outbound"]
    from_number: str | None = None
    to_number: str | None = None
    tag: str | None = None
    body: dict[str, Any] = {}
    voicemail_detection: bool = False
    nonce: str = msgspec.field(default_factory=lambda: secrets.token_urlsafe(12))


class DialPass(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the token of an outbound call's own webhook carries.

    Attributes:
        from_number: In E.164.
        to_number: In E.164.
        tag: Of the call, by which it is told from others: its id is not known yet.
        body: From the bot's author, for the bot.
        voicemail_detection: Whether Wavix was asked to tell a machine from a person.
    """

    from_number: str
    to_number: str
    tag: str
    body: dict[str, Any] = {}
    voicemail_detection: bool = False


Pass = TypeVar("Pass", StreamPass, DialPass)


class Tokens:
    """Makes tokens and checks them.

    Args:
        secret: Known to every process of the bot, and to nobody else.

    Raises:
        ValueError: If it is shorter than `MIN_SECRET_CHARS`.
    """

    def __init__(self, secret: str):
        if len(secret) < MIN_SECRET_CHARS:
            raise ValueError(
                f"the secret has {len(secret)} characters; at least {MIN_SECRET_CHARS} are needed. "
                'Make one: python -c "import secrets; print(secrets.token_urlsafe(32))"'
            )
        self._secret = secret.encode()
        # A key for each purpose: what was signed for one is nothing to the other.
        self._fernets = {kind: Fernet(self._key(kind.__name__)) for kind in (StreamPass, DialPass)}
        self.webhook_key: Final = self._key("webhook").rstrip(b"=").decode()

    def _key(self, purpose: str) -> bytes:
        """Derive 32 bytes, as 44 characters of URL-safe base64."""
        kdf = HKDF(SHA256(), length=32, salt=None, info=f"pipecat-wavix {purpose}".encode())
        return base64.urlsafe_b64encode(kdf.derive(self._secret))

    def issue(self, content: StreamPass | DialPass, *, now: float) -> str:
        """Make a token.

        Args:
            content: What it is good for.
            now: Unix time, in seconds.

        Returns:
            URL-safe text.

        Raises:
            ValueError: If the body is no dict of JSON, or all is more than a URL should carry.
        """
        if not isinstance(content.body, dict):
            raise ValueError(f"the body is a {type(content.body).__name__}: it must be a dict")
        try:
            size = len(msgspec.json.encode(content.body))
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"the body must be JSON: {error}") from None
        if size > MAX_BODY_BYTES:
            raise ValueError(
                f"the body has {size} bytes as JSON; at most {MAX_BODY_BYTES} fit into a URL. "
                "Pass a key, and keep the rest where the bot can look it up."
            )
        data = msgspec.json.encode(content)
        token = self._fernets[type(content)].encrypt_at_time(data, int(now)).decode()
        if len(token) > MAX_TOKEN_CHARS:
            raise ValueError(
                f"the token has {len(token)} characters; at most {MAX_TOKEN_CHARS} are let in. "
                "Use shorter ids and tags."
            )
        return token

    def open(self, token: str, kind: type[Pass], *, ttl_secs: int, now: float) -> Pass | None:
        """Check a token, in a time that tells nothing about it.

        Args:
            token: What came in a URL.
            kind: What it has to be good for.
            ttl_secs: How old it may be.
            now: Unix time, in seconds.

        Returns:
            What it carries, or None if it is forged, altered, too old or for something else.
        """
        if len(token) > MAX_TOKEN_CHARS:
            return None
        try:
            data = self._fernets[kind].decrypt_at_time(token.encode(), ttl_secs, int(now))
            return msgspec.json.decode(data, type=kind)
        except (InvalidToken, UnicodeEncodeError, msgspec.MsgspecError):
            return None

    def is_webhook_key(self, key: str) -> bool:
        """Whether a path segment is that of the webhook, told in constant time."""
        return same(key, self.webhook_key)


def same(given: str, expected: str) -> bool:
    """Whether two secrets are the same, in a time that tells nothing about either."""
    digests = (hashlib.sha256(text.encode(errors="replace")).digest() for text in (given, expected))
    return hmac.compare_digest(*digests)


class Burnt:
    """The tokens that were used already.

    Args:
        ttl_secs: How long tokens are good for; after that they need not be remembered.
    """

    def __init__(self, ttl_secs: float):
        # Fernet lets a clock be a minute ahead.
        self._keep_secs = ttl_secs + 60
        self._until: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    def __contains__(self, used: StreamPass) -> bool:
        return used.nonce in self._until

    def burn(self, used: StreamPass, *, now: float) -> bool:
        """Use up a token.

        Args:
            used: What it carried.
            now: Unix time, in seconds.

        Returns:
            False if it was used already.
        """
        while self._until and next(iter(self._until.values())) < now:
            self._until.popitem(last=False)
        if used in self:
            return False
        self._until[used.nonce] = now + self._keep_secs
        return True
