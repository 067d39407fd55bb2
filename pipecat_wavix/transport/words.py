"""Where in the audio each word stands, for a TTS that times its words.

Pipecat gives a word a presentation time: a base plus the word's offset in the audio of its TTS
context. The base is the moment at which the context's first audio was made, or the time of the last
word before it if that is later. Here only the offset counts: the word stands that far behind the
position at which the context's audio begins.

It knows contexts, times and positions. It refuses to know what a word says or when it is heard.
"""

from dataclasses import dataclass

from pipecat.frames.frames import Frame, TTSAudioRawFrame, TTSStoppedFrame, TTSTextFrame

_CONTEXTS = 64  # how many contexts are remembered; a bot has a few at a time


@dataclass(slots=True)
class _Context:
    protected: bool
    base: int | None = None  # ns: what its word times count from
    position: int | None = None  # of its first sample, once that was written
    announced: bool = False
    ended: bool = False


class Words:
    """The timed frames of a stream, told apart by their TTS context."""

    def __init__(self, sample_rate: int):
        """Begin without any context.

        Args:
            sample_rate: Samples a second of positions, in Hz.
        """
        self._rate = sample_rate
        self._contexts: dict[str | None, _Context] = {}
        self._waiting: list[tuple[str | None, Frame]] = []
        self._last_time = 0  # ns, of the words that were placed
        self._last_protected_time = 0

    # ---- in the order in which the TTS makes it

    def announce(self, audio: TTSAudioRawFrame, now: int) -> bool:
        """Note audio as it comes from the TTS.

        Args:
            audio: The audio.
            now: The pipeline's clock, in ns.

        Returns:
            Whether it is the first of its context: whoever queues it queues a note ahead of it, to
            `begin` the context when the audio is written.
        """
        known = self._contexts.get(audio.context_id)
        if known is None or known.ended:
            known = self._open(audio.context_id, protected=not audio.interruptible)
        if known.base is None:
            known.base = max(self._last_time, now)
        first, known.announced = not known.announced, True
        return first

    def _open(self, context: str | None, *, protected: bool) -> _Context:
        self._contexts.pop(context, None)
        self._contexts[context] = _Context(protected)
        if len(self._contexts) > _CONTEXTS:
            del self._contexts[next(iter(self._contexts))]
        return self._contexts[context]

    def end(self, stopped: TTSStoppedFrame) -> None:
        """Note the end of a context: more audio of its name will be another one's."""
        known = self._contexts.get(stopped.context_id)
        if known:
            known.ended = True

    def place(self, frame: Frame, now: int) -> int | None:
        """Find the position of a timed frame.

        A frame without a context (the end of a reply) stands with the words before it.

        Args:
            frame: The frame.
            now: The pipeline's clock, in ns.

        Returns:
            The position, or None: the frame waits for its context to begin.
        """
        time = frame.pts or 0
        context: str | None = getattr(frame, "context_id", None)
        known = self._contexts.get(context)
        if known is None and context is not None:
            known = self._open(context, protected=not frame.interruptible)
        elif known is None:
            context = self._context_at(time)
            known = self._contexts.get(context)
        # A context's first word may come just ahead of its audio. What announces it comes long
        # before, and does not tell when its times begin.
        if known and known.base is None and isinstance(frame, TTSTextFrame):
            known.base = max(self._last_time, now)
        self._last_time = max(self._last_time, time)
        if not frame.interruptible:
            self._last_protected_time = max(self._last_protected_time, time)
        if known is None:
            return 0  # nothing was said yet that it could wait for
        if known.position is None:
            self._waiting.append((context, frame))
            return None
        return self._position(known, time)

    def _context_at(self, time: int) -> str | None:
        earlier = [
            name for name, known in self._contexts.items() if known.base and known.base <= time
        ]
        return earlier[-1] if earlier else None

    def _position(self, context: _Context, time: int) -> int:
        begin, base = context.position or 0, context.base or 0
        return begin + max(0, (time - base) * self._rate // 1_000_000_000)

    # ---- in the order in which it is written

    def begin(self, context: str | None, position: int) -> list[tuple[int, Frame]]:
        """Note where a context's audio begins.

        Returns:
            The frames that have waited for it, with their positions.
        """
        known = self._contexts.get(context)
        if known is None:  # forgotten, by an interruption
            return []
        known.position = position
        mine = [frame for of, frame in self._waiting if of == context]
        self._waiting = [(of, frame) for of, frame in self._waiting if of != context]
        return [(self._position(known, frame.pts or 0), frame) for frame in mine]

    # ---- when it comes otherwise

    def interrupt(self) -> None:
        """Forget what an interruption drops."""
        self._waiting = [(of, frame) for of, frame in self._waiting if not frame.interruptible]
        self._contexts = {name: known for name, known in self._contexts.items() if known.protected}
        self._last_time = self._last_protected_time

    def give_up(self, context: str | None) -> list[Frame]:
        """Take the frames that wait for a context which ended without audio."""
        mine = [frame for of, frame in self._waiting if of == context]
        self._waiting = [(of, frame) for of, frame in self._waiting if of != context]
        return mine
