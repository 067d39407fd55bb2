// What runs on the browser's audio thread: it cuts the voice into frames, and plays those that come.
// It knows samples and a buffer. It refuses to know the call: order and gaps are the line's.

import { Resampler } from "./resampler.js";

const RATE = 24000;
const FRAME_SAMPLES = 480;
const SILENCE = new Float32Array(128);
const QUIET = 0.003; // -50 dB: a frame that may be left out without a click
const SURPLUS_SECS = 0.06; // more than the prebuffer by this is too much
const MOST_SECS = 1;

const resampler = (from, to) => (from === to ? { process: (samples) => samples } : new Resampler(from, to));
const toPcm = (sample) => Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));

// Posts its input as Int16Arrays of 20 ms; while nothing is connected, silence.
class Capture extends AudioWorkletProcessor {
  #resampler = resampler(sampleRate, RATE);
  #frame = new Int16Array(FRAME_SAMPLES);
  #filled = 0;

  process([[input = SILENCE]]) {
    for (const sample of this.#resampler.process(input)) {
      this.#frame[this.#filled++] = toPcm(sample);
      if (this.#filled === FRAME_SAMPLES) {
        this.port.postMessage(this.#frame);
        this.#filled = 0;
      }
    }
    return true;
  }
}

// Plays the PCM16 that it is sent, after a prebuffer. `{ ended }` says that no more will come, and
// `{ tap: true }` has it post all that it plays.
class Playback extends AudioWorkletProcessor {
  #resampler = resampler(RATE, sampleRate);
  #frames = [];
  #offset = 0; // of what is played already, in the first of them
  #samples = 0;
  #waits = true;
  #prebuffer;
  #settings = { ended: false, tap: false };
  #counts = { underruns: 0, skipped: 0 };
  #nextReport = 0;

  constructor({ processorOptions }) {
    super();
    this.#prebuffer = (processorOptions.prebufferMs / 1000) * sampleRate;
    this.port.onmessage = ({ data }) => {
      if (data instanceof ArrayBuffer) this.#take(new Int16Array(data));
      else Object.assign(this.#settings, data);
    };
  }

  // The sound card's seconds are not the line's: what piles up is left out where nothing is said,
  // and whatever it is once it is a second too much, as after a laptop has slept.
  #take(pcm) {
    const frame = this.#resampler.process(Float32Array.from(pcm, (sample) => sample / 32768));
    const isQuiet = frame.every((sample) => Math.abs(sample) < QUIET);
    if (this.#samples > this.#prebuffer + SURPLUS_SECS * sampleRate && isQuiet) {
      this.#counts.skipped++;
      return;
    }
    this.#frames.push(frame);
    this.#samples += frame.length;
    while (this.#samples > this.#prebuffer + MOST_SECS * sampleRate) {
      this.#samples -= this.#frames.shift().length - this.#offset;
      this.#offset = 0;
      this.#counts.skipped++;
    }
  }

  process(_inputs, [[output]]) {
    if (this.#samples >= this.#prebuffer) this.#waits = false;
    let filled = 0;
    while (!this.#waits && filled < output.length && this.#frames.length) {
      const rest = this.#frames[0].subarray(this.#offset);
      const part = rest.subarray(0, output.length - filled);
      output.set(part, filled);
      filled += part.length;
      this.#offset += part.length;
      if (part.length === rest.length) {
        this.#frames.shift();
        this.#offset = 0;
      }
    }
    this.#samples -= filled;
    if (!this.#waits && filled < output.length) {
      this.#waits = true;
      if (!this.#settings.ended) this.#counts.underruns++;
    }
    if (this.#settings.tap) this.port.postMessage({ played: Int16Array.from(output, toPcm) });
    if (currentTime >= this.#nextReport) {
      this.#nextReport = currentTime + 0.2;
      this.port.postMessage({ ...this.#counts, bufferedMs: (this.#samples / sampleRate) * 1000 });
    }
    return true;
  }
}

registerProcessor("capture", Capture);
registerProcessor("playback", Playback);
