"""Who understands, who answers and who speaks: what the receptionist's switches choose from.

It knows the services. It refuses to know calls; what is loaded here serves them all.
"""

import argparse
import os
from functools import cache

from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService

from offline.clerk import Clerk
from offline.desk import GREETING, Desk, Diary
from offline.ears import PocketsphinxSTTService
from offline.voice import EspeakTTSService, EspeakVoice
from offline.worker import Worker

RATE_OUT = 24_000
"""Of the voice, in Hz: Wavix's own."""

PROMPT = (
    "You are the receptionist of Willow Street Dentists, on the telephone. You tell the opening hours "
    "(nine to five on weekdays, until noon on Saturday) and take appointments: ask for day, time, name "
    "and telephone number. Answer in one or two short sentences, without lists or symbols. The caller "
    "has been greeted. '(unclear)' means that you did not hear what was said: ask again."
)

diary = Diary()


def switches(*, add_help: bool = True) -> argparse.ArgumentParser:
    """What can be chosen, beside what the runner's own arguments choose."""
    parser = argparse.ArgumentParser(description="An offline receptionist", add_help=add_help)
    parser.add_argument(
        "--stt", default="pocketsphinx", choices=["pocketsphinx", "whisper", "moonshine"]
    )
    parser.add_argument("--tts", default="espeak", choices=["espeak", "piper", "kokoro"])
    parser.add_argument(
        "--llm",
        metavar="URL",
        help="a language model, OpenAI-compatible: Ollama's is http://localhost:11434/v1",
    )
    parser.add_argument("--llm-model", metavar="NAME", default="llama3.2")
    return parser


@cache
def sphinx() -> Worker:
    """What understands: a process for all calls, which is ready in two seconds."""
    worker = Worker("offline.sphinx")
    worker.ask((b"", "request"))
    return worker


@cache
def espeak() -> EspeakVoice:
    """What speaks: a process for all calls. It knows the greeting by heart before anybody calls."""
    voice = EspeakVoice(Worker("offline.espeak"), RATE_OUT)
    voice.speak(GREETING)
    return voice


def make_stt(kind: str) -> STTService:
    """Choose who understands."""
    if kind == "whisper":
        from pipecat.services.whisper.stt import WhisperSTTService

        return WhisperSTTService()
    if kind == "moonshine":
        from pipecat.services.moonshine.stt import MoonshineSTTService

        return MoonshineSTTService()
    return PocketsphinxSTTService(sphinx())


def make_tts(kind: str) -> TTSService:
    """Choose who speaks."""
    if kind == "piper":
        from pipecat.services.piper.tts import PiperTTSService

        return PiperTTSService(settings=PiperTTSService.Settings(voice="en_US-ryan-high"))
    if kind == "kokoro":
        from pipecat.services.kokoro.tts import KokoroTTSService

        return KokoroTTSService(settings=KokoroTTSService.Settings(voice="af_heart"))
    return EspeakTTSService(espeak())


def make_llm(arguments: argparse.Namespace, stt: STTService) -> FrameProcessor:
    """Choose who answers."""
    if not arguments.llm:
        return Clerk(Desk(diary), stt if isinstance(stt, PocketsphinxSTTService) else None)
    from pipecat.services.openai.llm import OpenAILLMService

    return OpenAILLMService(
        base_url=arguments.llm,
        api_key=os.environ.get("OPENAI_API_KEY", "none"),
        settings=OpenAILLMService.Settings(model=arguments.llm_model, system_instruction=PROMPT),
    )
