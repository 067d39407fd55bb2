"""What Wavix tells about calls: the shape of a call, its numbers, and what is new in an event.

Pure: it takes bytes and answers values. What is done about an event is the server's.
"""

from pipecat_wavix.webhooks.book import CallBook, Change
from pipecat_wavix.webhooks.events import (
    InCallEvent,
    PostCall,
    WavixCall,
    read_call,
    read_webhook,
)
from pipecat_wavix.webhooks.numbers import e164, last_digits

__all__ = [
    "CallBook",
    "Change",
    "InCallEvent",
    "PostCall",
    "WavixCall",
    "e164",
    "last_digits",
    "read_call",
    "read_webhook",
]
