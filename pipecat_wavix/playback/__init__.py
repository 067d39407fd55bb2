"""The ledger: our belief about what the caller has heard.

It is pure: `now` is an argument, in seconds of any monotonic clock, and audio is bytes. It knows
no sockets, no frames and no time of day. `ear` estimates when each sample is heard; `ledger` books
what was sent, cleared, and waits to be heard.
"""

from pipecat_wavix.playback.ear import Ear, Edge
from pipecat_wavix.playback.ledger import Cut, Held, Playback, Sent

__all__ = ["Cut", "Ear", "Edge", "Held", "Playback", "Sent"]
