"""A voice for callers without a recording: text to speech with eSpeak NG, offline.

It knows the few functions of eSpeak's C library that it calls. It refuses to know calls. eSpeak is
GPL and comes only with the extra `demo`, so it is loaded when the first word is spoken.
"""

import ctypes
import threading
from functools import cache

import numpy as np

from pipecat_wavix.emulator.callers import resampled

# From eSpeak NG's speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_RATE = 1
_CHARACTERS = 1
_UTF8 = 1

_Samples = ctypes.POINTER(ctypes.c_short)
_OnAudio = ctypes.CFUNCTYPE(ctypes.c_int, _Samples, ctypes.c_int, ctypes.c_void_p)

# The library has one voice for the whole process.
_lock = threading.Lock()


def speak(text: str, *, voice: str = "en-us", words_per_minute: int = 160) -> bytes:
    """Speak a text. Said again, it may differ by some samples: eSpeak keeps a state.

    Args:
        text: What to say.
        voice: The name of one of eSpeak's voices: a language, such as `en-us` or `de`.
        words_per_minute: How fast, 80 to 450.

    Returns:
        PCM16 little-endian at 24 kHz, mono.

    Raises:
        ModuleNotFoundError: eSpeak is not installed; the message tells how to install it.
        ValueError: There is no such voice, or the speed is out of its range.
        RuntimeError: eSpeak failed.
    """
    if not 80 <= words_per_minute <= 450:
        raise ValueError(f"{words_per_minute} words a minute: give 80 to 450")
    with _lock:
        espeak, sample_rate = _loaded()
        pieces: list[bytes] = []

        def collect(samples: "ctypes._Pointer[ctypes.c_short]", count: int, _events: int) -> int:
            if samples and count:
                pieces.append(ctypes.string_at(samples, count * 2))
            return 0

        on_audio = _OnAudio(collect)
        espeak.espeak_SetSynthCallback(on_audio)
        if espeak.espeak_SetVoiceByName(voice.encode()):
            raise ValueError(f"eSpeak has no voice {voice!r}: give a language, such as 'en-us'")
        espeak.espeak_SetParameter(_RATE, words_per_minute, 0)
        data = text.encode() + b"\0"
        if espeak.espeak_Synth(data, len(data), 0, _CHARACTERS, 0, _UTF8, None, None):
            raise RuntimeError("eSpeak could not speak the text")
        espeak.espeak_Synchronize()
    return resampled(np.frombuffer(b"".join(pieces), np.int16).astype(float), sample_rate)


@cache
def _loaded() -> tuple[ctypes.CDLL, int]:
    """The library, and the rate in Hz at which it speaks."""
    try:
        import espeakng_loader
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "a voice needs eSpeak NG: pip install 'pipecat-wavix[demo]', or give a WAV file",
            name=error.name,
        ) from error
    espeak = ctypes.CDLL(espeakng_loader.get_library_path())
    espeak.espeak_Synth.argtypes = [
        *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint),
        *(ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p),
    ]
    sample_rate: int = espeak.espeak_Initialize(
        _AUDIO_OUTPUT_SYNCHRONOUS,
        0,
        str(espeakng_loader.get_data_path()).encode(),
        _INITIALIZE_DONT_EXIT,
    )
    if sample_rate <= 0:
        raise RuntimeError(f"eSpeak could not be started: error {sample_rate}")
    return espeak, sample_rate
