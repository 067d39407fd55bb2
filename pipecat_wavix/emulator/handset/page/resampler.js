// One stream of samples from one rate to another, for browsers whose audio does not run at 24 kHz.
// It knows a windowed sinc in 256 phases, and the samples that a block leaves for the next.

const PHASES = 256;
const LOBES = 12;
const PASSBAND = 0.92;

export class Resampler {
  #step;
  #taps;
  #filters;
  #pending;
  #position = 0;

  constructor(from, to) {
    const cutoff = PASSBAND * Math.min(1, to / from);
    const half = Math.ceil(LOBES / cutoff);
    this.#step = from / to;
    this.#taps = 2 * half;
    this.#filters = Array.from({ length: PHASES }, (_, phase) => filter(phase / PHASES, half, cutoff));
    this.#pending = new Float32Array(half - 1);
  }

  process(input) {
    const data = new Float32Array(this.#pending.length + input.length);
    data.set(this.#pending);
    data.set(input, this.#pending.length);
    const output = [];
    while (Math.floor(this.#position) + this.#taps <= data.length) {
      const begin = Math.floor(this.#position);
      const taps = this.#filters[Math.floor((this.#position - begin) * PHASES)];
      let sum = 0;
      for (let i = 0; i < taps.length; i++) sum += taps[i] * data[begin + i];
      output.push(sum);
      this.#position += this.#step;
    }
    const used = Math.min(Math.floor(this.#position), data.length);
    this.#pending = data.slice(used);
    this.#position -= used;
    return Float32Array.from(output);
  }
}

function filter(fraction, half, cutoff) {
  const taps = Float32Array.from({ length: 2 * half }, (_, i) => {
    const x = i - half + 1 - fraction;
    const sinc = x === 0 ? 1 : Math.sin(Math.PI * cutoff * x) / (Math.PI * cutoff * x);
    return sinc * (0.5 + 0.5 * Math.cos((Math.PI * x) / half));
  });
  const sum = taps.reduce((a, b) => a + b);
  return taps.map((tap) => tap / sum);
}
