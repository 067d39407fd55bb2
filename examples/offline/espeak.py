"""Text to speech with eSpeak NG, in a process of its own: `python -m offline.espeak`.

It knows the few functions of eSpeak's C library that it calls, and where in the audio each word
begins. It refuses to know calls. The library has one state for a whole process; eSpeak is GPL.
"""

import ctypes
import re
from typing import Any

import espeakng_loader

from offline.worker import serve

# From eSpeak NG's speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_EVENT_WORD = 1
_RATE = 1
_CHARACTERS = 1
_UTF8 = 1


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),  # in characters, from 1
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # in ms
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_OnAudio = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


Spoken = tuple[bytes, int, list[tuple[str, float]]]
"""PCM16 mono, its rate in Hz, and each word with the second at which it begins."""


class Espeak:
    """What speaks: one for a process."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._library.espeak_Synth.argtypes = [
            *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint),
            *(ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p),
        ]
        self._sample_rate = self._library.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS,
            0,
            str(espeakng_loader.get_data_path()).encode(),
            _INITIALIZE_DONT_EXIT,
        )
        if self._sample_rate <= 0:
            raise RuntimeError(f"eSpeak could not be started: error {self._sample_rate}")

    def speak(self, text: str, voice: str, words_per_minute: int) -> Spoken:
        """Speak a text.

        Args:
            text: What to say.
            voice: One of eSpeak's voices, with a variant if need be, such as `en-us+f3`.
            words_per_minute: How fast, 80 to 450.

        Raises:
            ValueError: There is no such voice.
        """
        pieces: list[bytes] = []
        begins: dict[int, float] = {}

        def collect(samples: Any, count: int, events: Any) -> int:
            if samples and count:
                pieces.append(ctypes.string_at(samples, count * 2))
            event = 0
            while events and events[event].type:
                if events[event].type == _EVENT_WORD:
                    begins[events[event].text_position - 1] = events[event].audio_position / 1000
                event += 1
            return 0

        on_audio = _OnAudio(collect)
        self._library.espeak_SetSynthCallback(on_audio)
        if self._library.espeak_SetVoiceByName(voice.encode()):
            raise ValueError(f"eSpeak has no voice {voice!r}: give a language, such as 'en-us'")
        self._library.espeak_SetParameter(_RATE, words_per_minute, 0)
        data = text.encode() + b"\0"
        if self._library.espeak_Synth(data, len(data), 0, _CHARACTERS, 0, _UTF8, None, None):
            raise RuntimeError("eSpeak could not speak the text")
        self._library.espeak_Synchronize()
        return b"".join(pieces), self._sample_rate, words_of(text, begins)


def words_of(text: str, begins: dict[int, float]) -> list[tuple[str, float]]:
    """Tell when each word of a text begins.

    Args:
        text: The text.
        begins: Where in the text eSpeak has begun a word, and when. It takes "10:30" for two, and
            "-" for none: such a word begins with the one after it, or ends with the one before.
    """
    words: list[tuple[str, float]] = []
    latest = max(begins.values(), default=0.0)
    for word in reversed(list(re.finditer(r"\S+", text))):
        own = [begins[at] for at in range(*word.span()) if at in begins]
        latest = min([*own, latest])
        words.insert(0, (word.group(), latest))
    return words


if __name__ == "__main__":
    espeak = Espeak()
    serve(lambda request: espeak.speak(*request))
