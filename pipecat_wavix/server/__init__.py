"""The bot's front door: webhooks come in, calls are answered, sockets are let in by token."""

from pipecat_wavix.server.call import Accept, Reject, WavixCallData
from pipecat_wavix.server.router import wavix_router
from pipecat_wavix.server.settings import WavixSettings

__all__ = ["Accept", "Reject", "WavixCallData", "WavixSettings", "wavix_router"]
