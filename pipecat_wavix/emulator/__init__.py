"""Wavix on your own machine: it calls a bot, with no account and no telephone.

It is the truth about what a caller hears, so it shares nothing with the bot's side but the messages
of the wire. A call is made of a `Caller` and a `CallSettings`, and leaves a `CallSummary`:

    summary = await Call("ws://localhost:7860/ws", ScriptedCaller(script)).run()

That is the media alone. With the REST API and the webhooks, for a server that answers calls itself:

    async with Emulator(EmulatorSettings(call_status_url="http://localhost:7860/calls")) as emulator:
        call = await emulator.dial("+12025550100", ScriptedCaller(script))
        summary = await call.finished()

Public names load when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipecat_wavix.emulator.app import Emulator as Emulator
    from pipecat_wavix.emulator.call import EmulatedCall as EmulatedCall
    from pipecat_wavix.emulator.callees import Callee as Callee
    from pipecat_wavix.emulator.callers import (
        Caller as Caller,
        HangUp as HangUp,
        LiveCaller as LiveCaller,
        Pause as Pause,
        Press as Press,
        Say as Say,
        ScriptedCaller as ScriptedCaller,
        WaitForBot as WaitForBot,
        conversation as conversation,
        load_wav as load_wav,
    )
    from pipecat_wavix.emulator.events import Observation as Observation, Observer as Observer
    from pipecat_wavix.emulator.faults import (
        Faults as Faults,
        RestFault as RestFault,
        WebhookFaults as WebhookFaults,
    )
    from pipecat_wavix.emulator.media import Call as Call
    from pipecat_wavix.emulator.network import NetworkSettings as NetworkSettings
    from pipecat_wavix.emulator.platform_settings import EmulatorSettings as EmulatorSettings
    from pipecat_wavix.emulator.recording import Recording as Recording
    from pipecat_wavix.emulator.settings import CallSettings as CallSettings
    from pipecat_wavix.emulator.summary import CallSummary as CallSummary
    from pipecat_wavix.emulator.telephone import Telephone as Telephone
    from pipecat_wavix.emulator.websocket import CannotConnectError as CannotConnectError
    from pipecat_wavix.phoneline import LineSettings as LineSettings

_HOME = {
    "Call": "emulator.media",
    "CallSettings": "emulator.settings",
    "CallSummary": "emulator.summary",
    "Callee": "emulator.callees",
    "Caller": "emulator.callers",
    "CannotConnectError": "emulator.websocket",
    "EmulatedCall": "emulator.call",
    "Emulator": "emulator.app",
    "EmulatorSettings": "emulator.platform_settings",
    "Faults": "emulator.faults",
    "HangUp": "emulator.callers",
    "LineSettings": "phoneline",
    "LiveCaller": "emulator.callers",
    "NetworkSettings": "emulator.network",
    "Observation": "emulator.events",
    "Observer": "emulator.events",
    "Pause": "emulator.callers",
    "Press": "emulator.callers",
    "Recording": "emulator.recording",
    "RestFault": "emulator.faults",
    "Say": "emulator.callers",
    "ScriptedCaller": "emulator.callers",
    "Telephone": "emulator.telephone",
    "WaitForBot": "emulator.callers",
    "WebhookFaults": "emulator.faults",
    "conversation": "emulator.callers",
    "load_wav": "emulator.callers",
}

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"pipecat_wavix.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
