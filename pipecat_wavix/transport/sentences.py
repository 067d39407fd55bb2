"""What of a sentence was heard when it was cut, for a TTS that does not time its words.

It measures a sentence's audio as it comes, and answers with the words that fit into the part of it
that was heard, silence not counted. That is an estimate. It knows positions, and refuses to know
when they are heard.
"""

from dataclasses import dataclass, field

from pipecat.audio.utils import is_silence
from pipecat.frames.frames import (
    AggregatedTextFrame,
    Frame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)

from pipecat_wavix.frames import WavixCutTextFrame

_SENTENCES = 64  # how many are remembered: more than a bot says without being heard
_STEPS_A_SECOND = 50  # in which it is told apart whether the voice speaks
_LETTERS_A_SECOND = 15.0  # of a TTS of average speed, until it has shown its own


@dataclass(slots=True, eq=False)
class _Sentence:
    frame: AggregatedTextFrame
    append: bool
    audio: list[tuple[float, bool]] = field(default_factory=list)  # seconds, voiced
    start: int | None = None  # position, once its first audio was about to be written
    complete: bool = False

    def voiced_secs(self, within_secs: float) -> float:
        voiced = at = 0.0
        for secs, speaks in self.audio:
            voiced += max(0.0, min(secs, within_secs - at)) if speaks else 0.0
            at += secs
        return voiced


class Sentences:
    """The sentences that were announced, and not yet heard to their end."""

    def __init__(self, sample_rate: int):
        """Begin without any sentence.

        Args:
            sample_rate: Samples a second of positions, in Hz.
        """
        self._rate = sample_rate
        self._sentences: dict[int, _Sentence] = {}
        self._current: _Sentence | None = None
        self._append: dict[str | None, bool] = {}  # by context: whether it goes into the context
        self._letters_a_second = _LETTERS_A_SECOND

    def note(self, frame: Frame) -> None:
        """Note a frame as it comes from the TTS."""
        if isinstance(frame, TTSTextFrame):
            self._complete(frame)
        elif isinstance(frame, AggregatedTextFrame):
            if frame.will_be_spoken and not frame.pts:  # with a time: it will time its words, too
                self._current = self._sentences[frame.id] = _Sentence(
                    frame, self._append.get(frame.context_id, True)
                )
                while len(self._sentences) > _SENTENCES:
                    del self._sentences[next(iter(self._sentences))]
        elif isinstance(frame, TTSStartedFrame):
            self._append = {frame.context_id: frame.append_to_context}
            if self._current:
                self._current.append = frame.append_to_context
        elif isinstance(frame, TTSAudioRawFrame) and self._current:
            size = 2 * frame.num_channels * frame.sample_rate // _STEPS_A_SECOND
            for at in range(0, len(frame.audio), size):
                step = frame.audio[at : at + size]
                secs = len(step) / size / _STEPS_A_SECOND
                self._current.audio.append((secs, not is_silence(step)))
        elif isinstance(frame, TTSStoppedFrame):
            self._current = None

    def _complete(self, frame: TTSTextFrame) -> None:
        sentence = self._sentences.get(frame.segment_id) if frame.segment_id is not None else None
        if sentence is None:
            return
        sentence.complete = True
        if sentence is self._current:
            self._current = None
        secs = sentence.voiced_secs(float("inf"))
        if secs:
            self._letters_a_second = len(sentence.frame.text) / secs

    def begin(self, frame: Frame, position: int) -> None:
        """Note the position at which a sentence's audio is about to be written."""
        sentence = self._sentences.get(frame.id)
        if sentence:
            sentence.start = position

    def heard(self, frame: Frame) -> None:
        """Note text that was heard whole."""
        if isinstance(frame, TTSTextFrame) and frame.segment_id is not None:
            self._sentences.pop(frame.segment_id, None)

    def cut(self, position: int) -> list[WavixCutTextFrame]:
        """Forget all sentences that an interruption cuts.

        Args:
            position: How far the caller has heard.

        Returns:
            The heard parts of those that were begun.
        """
        cut = [each for each in self._sentences.values() if each.frame.interruptible]
        self._sentences = {
            name: each for name, each in self._sentences.items() if not each.frame.interruptible
        }
        if self._current in cut:
            self._current = None
        return [text for sentence in cut if (text := self._heard_part(sentence, position))]

    def _heard_part(self, sentence: _Sentence, position: int) -> WavixCutTextFrame | None:
        if not sentence.append or sentence.start is None or sentence.start >= position:
            return None
        heard = sentence.voiced_secs((position - sentence.start) / self._rate)
        whole = sentence.voiced_secs(float("inf"))
        if not sentence.complete:
            whole = max(whole, len(sentence.frame.text) / self._letters_a_second)
        words = sentence.frame.text.split()
        count = round(heard / whole * len(words)) if whole else 0
        if not count:
            return None
        text = WavixCutTextFrame(
            " ".join(words[:count]), sentence.frame.text_type, segment_id=sentence.frame.id
        )
        text.context_id = sentence.frame.context_id
        text.will_be_spoken = True
        return text
