// Both voices on one axis of time, and what happens on the line where it happens.
// It knows the levels and the events that the emulator tells. It refuses to know the call's state.

const LEVEL_SECS = 0.01;
const KEPT_SECS = 60;
const FRAME_MS = 50;
const RULER = 22; // the height of the axis, in pixels
const LABEL_GAP = 6; // between two labels, in pixels
const LINE_HEIGHT = 14;

export class Chart {
  #begin = 0; // the time of the first level
  #said = [];
  #heard = [];
  #events = [];
  #isLive = false;
  #newsAt = 0;
  #colours = {};
  #labels = []; // of this picture, before there is room made for them

  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", () => this.#restyle());
    new ResizeObserver(() => this.#resize()).observe(canvas);
    this.#restyle();
  }

  start() {
    this.#begin = 0;
    this.#said = [];
    this.#heard = [];
    this.#events = [];
    this.#isLive = true;
    this.#newsAt = performance.now();
    requestAnimationFrame((now) => this.#animate(now));
  }

  stop() {
    this.#isLive = false;
  }

  add({ said, heard, events }) {
    this.#said.push(...said);
    this.#heard.push(...heard);
    this.#events.push(...events.filter(isDrawn));
    this.#newsAt = performance.now();
    const excess = this.#said.length - (KEPT_SECS + 10) / LEVEL_SECS;
    if (excess > 0) {
      const drop = Math.round(10 / LEVEL_SECS);
      this.#said.splice(0, drop);
      this.#heard.splice(0, drop);
      this.#begin += 10;
      this.#events = this.#events.filter(({ t }) => t >= this.#begin - 5);
    }
  }

  get #end() {
    return this.#begin + this.#said.length * LEVEL_SECS;
  }

  #animate(now) {
    this.#draw(now);
    // A frame is asked for only when it is due: each costs the browser more than the drawing.
    if (this.#isLive) setTimeout(() => requestAnimationFrame((next) => this.#animate(next)), FRAME_MS);
  }

  #restyle() {
    const style = getComputedStyle(document.documentElement);
    for (const name of ["card", "caller", "bot", "text", "faint", "grid", "bad", "warn", "good"]) {
      this.#colours[name] = style.getPropertyValue(`--${name}`).trim();
    }
    this.#draw(performance.now());
  }

  #resize() {
    const { canvas } = this;
    canvas.width = Math.round(canvas.clientWidth * devicePixelRatio);
    canvas.height = Math.round(canvas.clientHeight * devicePixelRatio);
    this.#draw(performance.now());
  }

  #draw(now) {
    const { canvas, context: pen } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = "11px system-ui, sans-serif";
    const secs = Math.max(6, Math.min(20, width / 55));
    // News come in tenths of a second; between them the picture moves on by itself.
    const ahead = this.#isLive ? Math.min(0.15, (now - this.#newsAt) / 1000) : 0;
    const right = Math.max(secs, this.#end + ahead);
    const left = right - secs;
    const x = (t) => ((t - left) / secs) * width;
    const lane = (height - RULER) / 2;
    const titles = [["Caller", 4, "caller"], ["Bot, as heard", lane + 4, "bot"]];

    this.#drawAxis(x, left, right, height);
    for (const event of this.#events) {
      if (event.t >= left - 2) this.#drawSpan(event, x, lane);
    }
    this.#drawVoice(this.#said, this.#colours.caller, x, left, lane / 2, lane);
    this.#drawVoice(this.#heard, this.#colours.bot, x, left, lane * 1.5, lane);
    for (const event of this.#events) {
      if (event.t >= left - 2) this.#drawPoint(event, x, lane);
    }
    const taken = [];
    for (const [name, y, colour] of titles) {
      const wide = pen.measureText(name).width + 8;
      pen.fillStyle = this.#colours.card;
      pen.fillRect(4, y, wide, 17);
      this.#write(name, 8, y + 12, this.#colours[colour]);
      taken.push({ from: 4, to: 4 + wide, y: y + 12 });
    }
    this.#writeLabels(taken);
  }

  #drawAxis(x, left, right, height) {
    const { context: pen } = this;
    pen.fillStyle = this.#colours.grid;
    pen.fillRect(0, (height - RULER) / 2, pen.canvas.width, 1);
    for (let t = Math.ceil(left); t <= right; t++) {
      pen.fillStyle = this.#colours.grid;
      pen.fillRect(x(t), 0, 1, height - RULER);
      if (t % 2 === 0) this.#label([clock(t)], x(t) + 4, height - 7, this.#colours.faint);
    }
  }

  #drawVoice(levels, colour, x, left, middle, lane) {
    const { context: pen } = this;
    pen.fillStyle = colour;
    const first = Math.max(0, Math.floor((left - this.#begin) / LEVEL_SECS));
    const wide = Math.max(1, x(LEVEL_SECS) - x(0)) + 0.2;
    for (let i = first; i < levels.length; i++) {
      // The root shows soft speech beside loud.
      const half = Math.max(0.5, Math.sqrt(levels[i] / 255) * (lane / 2 - 20));
      pen.fillRect(x(this.#begin + i * LEVEL_SECS), middle - half, wide, 2 * half);
    }
  }

  // What lasts: the way to an answer, a barge-in, an underrun.
  #drawSpan({ what, t, secs }, x, lane) {
    const { context: pen } = this;
    const [from, to] = [x(t - (secs ?? 0)), x(t)];
    if (what === "underrun") {
      pen.fillStyle = this.#colours.warn;
      pen.globalAlpha = 0.35;
      pen.fillRect(from, lane + 1, Math.max(3, to - from), lane - 1);
    } else if (what === "barge-in") {
      pen.fillStyle = this.#colours.bad;
      pen.globalAlpha = 0.14;
      pen.fillRect(from, 0, to - from, 2 * lane);
    } else if (what === "answer") {
      pen.fillStyle = this.#colours.good;
      pen.globalAlpha = 0.16;
      pen.fillRect(from, 0, to - from, 2 * lane);
    }
    pen.globalAlpha = 1;
  }

  #drawPoint({ what, dir, t, secs, text }, x, lane) {
    const { context: pen } = this;
    const at = x(t);
    const bottom = 2 * lane;
    if (what === "mark" || what.startsWith("mark ")) {
      // Sent: a light tick; played: a full one; cleared away: one in red.
      const isSent = what === "mark";
      pen.fillStyle = what === "mark cleared" ? this.#colours.bad : this.#colours.faint;
      pen.globalAlpha = isSent ? 0.4 : 1;
      pen.fillRect(at, bottom - (isSent ? 6 : 11), 1.5, isSent ? 6 : 11);
      pen.globalAlpha = 1;
    } else if (what === "clear") {
      pen.fillStyle = this.#colours.bad;
      for (let y = 0; y < bottom; y += 6) pen.fillRect(at, y, 1, 3);
    } else if (what === "cleared") {
      pen.fillStyle = this.#colours.bad;
      pen.fillRect(at, lane, 1.5, lane);
      this.#label(["clear"], at + 5, bottom - 14, this.#colours.bad);
    } else if (what === "underrun") {
      this.#label([`underrun ${text}`, text], at + 5, lane + 16, this.#colours.warn);
    } else if (what === "key") {
      this.#label([`key ${text}`, text], at + 3, lane - 8, this.#colours.text);
    } else if (what === "answer" || what === "barge-in") {
      const colour = what === "answer" ? this.#colours.good : this.#colours.bad;
      const figure = `${Math.round(secs * 1000)} ms`;
      this.#label([`${what} ${figure}`, figure], at + 5, lane - 8, colour);
    } else if (what === "page underrun") {
      pen.fillStyle = this.#colours.faint;
      pen.fillRect(at - 2, bottom - 2, 5, 4);
    }
  }

  // Wants the first of the texts to be written, or the next if there is no room.
  #label(texts, x, y, colour) {
    this.#labels.push({ texts, x, y, colour });
  }

  // A label without room for any of its texts is left out: the list of events has it too.
  #writeLabels(taken) {
    for (const { texts, x, y, colour } of this.#labels) {
      const beside = (other) => Math.abs(other.y - y) < LINE_HEIGHT;
      const next = this.#labels.filter((other) => beside(other) && other.x > x);
      const text = texts.find((words, i) => {
        const to = x + this.context.measureText(words).width;
        const isShortest = i === texts.length - 1;
        const isClear = ({ from, to: end }) => to + LABEL_GAP <= from || end + LABEL_GAP <= x;
        return (
          x >= 0 &&
          to <= this.canvas.clientWidth &&
          taken.every((other) => !beside(other) || isClear(other)) &&
          (isShortest || next.every((other) => to + LABEL_GAP <= other.x))
        );
      });
      if (text === undefined) continue;
      taken.push({ from: x, to: x + this.context.measureText(text).width, y });
      this.#write(text, x, y, colour);
    }
    this.#labels = [];
  }

  #write(text, x, y, colour) {
    this.context.fillStyle = colour;
    this.context.fillText(text, x, y);
  }
}

function isDrawn({ what, dir }) {
  return what !== "media" && !(dir === "to_bot" && what === "mark");
}

function clock(t) {
  return `${Math.floor(t / 60)}:${String(t % 60).padStart(2, "0")}`;
}
