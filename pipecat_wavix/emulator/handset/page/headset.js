// The caller's mouth and ears: a microphone or a recording, and the loudspeaker.
// It knows the browser's audio. It refuses to know the call.

import { Problem } from "./problems.js";

export const RATE = 24000;
export const PREBUFFER_MS = 160;

export class Headset {
  onVoice = () => {}; // called with an Int16Array of each 20 ms
  onReport = () => {}; // called with { underruns, skipped, bufferedMs }
  onPlayed = () => {}; // called with an Int16Array of what was played, after `tap`
  isMuted = false;
  #context;
  #stream;
  #capture;
  #playback;
  #saying = null;

  static async open(withMicrophone) {
    const stream = withMicrophone ? await openMicrophone() : null;
    try {
      try {
        return await Headset.#wired(stream, { sampleRate: RATE });
      } catch (error) {
        // Firefox has no microphone at another rate than the sound card's: the worklets resample.
        if (error.name !== "NotSupportedError") throw error;
        return await Headset.#wired(stream, {});
      }
    } catch (error) {
      stream?.getTracks().forEach((track) => track.stop());
      throw error;
    }
  }

  static async #wired(stream, options) {
    const context = new AudioContext({ latencyHint: "interactive", ...options });
    const headset = new Headset();
    try {
      await context.audioWorklet.addModule("phone/worklet.js");
      headset.#wire(context, stream);
      await context.resume();
    } catch (error) {
      await context.close();
      throw error;
    }
    return headset;
  }

  #wire(context, stream) {
    this.#context = context;
    this.#stream = stream;
    const mono = { channelCount: 1, channelCountMode: "explicit", outputChannelCount: [1] };
    this.#capture = new AudioWorkletNode(context, "capture", mono);
    const processorOptions = { prebufferMs: PREBUFFER_MS };
    this.#playback = new AudioWorkletNode(context, "playback", { ...mono, processorOptions });
    if (stream) context.createMediaStreamSource(stream).connect(this.#capture);
    this.#capture.connect(context.destination); // silence, so that every browser runs it
    this.#playback.connect(context.destination);
    this.#capture.port.onmessage = ({ data }) => this.onVoice(this.isMuted ? data.fill(0) : data);
    this.#playback.port.onmessage = ({ data }) =>
      data.played ? this.onPlayed(data.played) : this.onReport(data);
  }

  // Plays 20 ms of PCM16, an ArrayBuffer, after all that came before.
  play(pcm) {
    this.#playback.port.postMessage(pcm, [pcm]);
  }

  // Says what a file holds, or PCM16 at 24 kHz, in place of what is being said.
  async say(data, isPcm) {
    this.stopSaying();
    const context = this.#context;
    const source = context.createBufferSource();
    if (isPcm) {
      const samples = Float32Array.from(new Int16Array(data), (sample) => sample / 32768);
      source.buffer = context.createBuffer(1, Math.max(1, samples.length), RATE);
      source.buffer.copyToChannel(samples, 0);
    } else {
      try {
        source.buffer = await context.decodeAudioData(data);
      } catch {
        throw new Problem("file");
      }
    }
    source.connect(this.#capture);
    source.start();
    this.#saying = source;
    return new Promise((resolve) => (source.onended = resolve));
  }

  stopSaying() {
    this.#saying?.stop();
    this.#saying?.disconnect();
    this.#saying = null;
  }

  tap() {
    this.#playback.port.postMessage({ tap: true });
  }

  // Plays what is buffered to its end, then is gone.
  async close() {
    this.stopSaying();
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#playback.port.postMessage({ ended: true });
    await new Promise((resolve) => setTimeout(resolve, 2 * PREBUFFER_MS));
    await this.#context.close();
  }

  get outputLatencyMs() {
    return 1000 * (this.#context.outputLatency || this.#context.baseLatency || 0);
  }
}

async function openMicrophone() {
  if (!window.isSecureContext || !navigator.mediaDevices) throw new Problem("insecure");
  const audio = { channelCount: 1, echoCancellation: true, noiseSuppression: true };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    const kinds = { NotAllowedError: "permission", NotFoundError: "device", NotReadableError: "busy" };
    throw new Problem(kinds[error.name] ?? "microphone", error.message);
  }
}
