// What can go wrong, in the words of the page: what it is, and the way out.

const OTHERWISE = "Or speak without it: choose a WAV file or the built-in voice.";

const WORDS = {
  permission: [
    "The microphone is not allowed",
    `Allow it for this page, by the icon beside the address, and call again. ${OTHERWISE}`,
  ],
  device: ["There is no microphone", `Plug one in and call again. ${OTHERWISE}`],
  busy: ["The microphone is in use", `Another program holds it: close that and call again. ${OTHERWISE}`],
  microphone: ["The microphone cannot be used", OTHERWISE],
  insecure: [
    "The browser allows no microphone on this address",
    `It does on https:// and on this machine: open the page at http://127.0.0.1. ${OTHERWISE}`,
  ],
  file: ["This file cannot be played", "Choose a WAV file, or another that the browser can play."],
  voice: ["The built-in voice cannot speak", ""],
  emulator: [
    "The emulator does not answer",
    "It may have ended: start pipecat-wavix phone, or pipecat-wavix emulate, again.",
  ],
  unreachable: ["The bot cannot be reached", "Is it running, and is this its media socket?"],
  refused: ["The bot refused the call", "Is this the path of its media socket, and its token still good?"],
  unanswered: [
    "Nobody answered",
    "Does the bot run, and does the number's webhook point at it?",
  ],
  webhook: [
    "This number has no webhook",
    "Nobody will hear it ring. Start the bot with its address, or give the number a webhook.",
  ],
  wrong: ["This cannot be called", "Give a media socket, ws:// or wss://, or a number of the emulator."],
  error: ["The call ended by an error", "The emulator's log says more."],
};

export class Problem extends Error {
  constructor(kind, detail = "") {
    const [title, advice] = WORDS[kind] ?? WORDS.error;
    super([detail, advice].filter(Boolean).join(" — "));
    this.title = title;
    this.kind = kind;
  }
}
