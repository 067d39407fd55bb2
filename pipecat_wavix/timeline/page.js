"use strict";
// Draws the calls of a report. Everything that a trace may hold goes into the page as text only.

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const make = (tag, text = "", parent = null, className = "") => {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  if (parent) parent.append(element);
  return element;
};
const clock = (secs) => {
  const sign = secs < 0 ? "−" : "", at = Math.abs(secs);
  return `${sign}${Math.floor(at / 60)}:${(at % 60).toFixed(at < 600 ? 2 : 1).padStart(at < 600 ? 5 : 4, "0")}`;
};
const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

// ---- sound: each level has the loudest of four of the level below

function pyramid(base64) {
  const levels = [bytes(base64)];
  while (levels.at(-1).length > 512) {
    const below = levels.at(-1), level = new Uint8Array(Math.ceil(below.length / 4));
    for (let i = 0; i < below.length; i++) if (below[i] > level[i >> 2]) level[i >> 2] = below[i];
    levels.push(level);
  }
  return levels;
}

function loudest(levels, from, to) {
  const depth = Math.min(levels.length - 1, Math.max(0, Math.floor(Math.log2((to - from) / data.peak_secs) / 2)));
  const secs = data.peak_secs * 4 ** depth, level = levels[depth];
  let most = 0;
  for (let i = Math.max(0, Math.floor(from / secs)); i < level.length && (i * secs < to); i++) if (level[i] > most) most = level[i];
  return most / 255;
}

// ---- what is looked at

const longest = Math.max(...data.calls.map((call) => call.until), 1);
const earliest = Math.min(0, ...data.calls.map((call) => call.account[0]?.[0] ?? 0));
const margin = Math.min(0.01 * longest, 0.5);
const whole = { from: Math.max(earliest, -5) - margin, to: longest + margin };
let view = { ...whole }, place = 0, picked = null, due = false;

function look(from, to) {
  const width = Math.min(Math.max(to - from, 0.05), whole.to - whole.from);
  const start = Math.min(Math.max((from + to - width) / 2, whole.from), whole.to - width);
  view = { from: start, to: start + width };
  redraw();
}
const zoom = (factor, at = (view.from + view.to) / 2) => look(at - (at - view.from) * factor, at + (view.to - at) * factor);
const move = (share) => look(view.from + share * (view.to - view.from), view.to + share * (view.to - view.from));
function goTo(at, secs = 6) {
  const width = Math.min(view.to - view.from, secs);
  look(at - width * 0.4, at + width * 0.6);
  setPlace(at);
}
function setPlace(at) {
  place = Math.min(Math.max(at, whole.from), whole.to);
  for (const call of calls) if (call.audio && at >= 0 && at <= call.data.secs && call.audio.paused) call.audio.currentTime = at;
  redraw();
}
function redraw() {
  if (!due) requestAnimationFrame(() => { due = false; draw(); });
  due = true;
}

// ---- lanes

let colour = {};
function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["panel", "ink", "soft", "line", "lane", "caller", "bot", "sent", "lost", "bad", "warn", "barge", "pick"])
    colour[name] = style.getPropertyValue(`--${name}`).trim();
}

// A title must hide nothing: with `head`, what is drawn begins below it; the other lanes leave its place free.
const LANES = [
  { name: "", height: 26, draw: drawAxis },
  { name: "Caller", head: 16, height: 58, draw: (c, call) => { bands(c, call); wave(c, call.peaks.caller, colour.caller); spells(c, call.data.caller, colour.caller); } },
  { name: "Sent", note: "orange: never heard", head: 16, height: 42, draw: (c, call) => { bands(c, call); wave(c, call.peaks.unheard, colour.lost); wave(c, call.peaks.sent, colour.sent, 4, false); } },
  { name: "Heard", head: 16, height: 58, draw: drawHeard },
  { name: "Believed heard", has: "believed", height: 28, draw: (c, call) => { for (const [a, b] of call.data.believed) box(c, a, b, 18, 5, colour.bot); } },
  { name: "Words", has: "words", height: 36, draw: drawWords },
  { name: "Marks, clears, stalls", height: 42, draw: drawEvents },
  { name: "REST, webhooks", has: "account", height: 36, draw: drawAccount },
];

const x = (c, t) => ((t - view.from) / (view.to - view.from)) * c.width;
const near = (from, to) => to >= view.from && from <= view.to;

function box(c, from, to, top, height, fill) {
  if (!near(from, to)) return;
  const left = Math.max(x(c, from), -2), right = Math.min(x(c, to), c.width + 2);
  c.ctx.fillStyle = fill;
  c.ctx.fillRect(left, c.top + top, Math.max(right - left, 1.5), height);
}
// Texts of a row that would overlap are left out; one at the right edge stands before what it tells of.
function label(c, t, top, text, fill, from = 0, start = t) {
  const place = x(c, t);
  if (place + 4 < from || place > c.width) return from;
  const size = c.ctx.measureText(text).width;
  const at = place + 4 + size > c.width ? x(c, start) - 4 - size : place + 4;
  if (at < from) return from;
  c.ctx.fillStyle = fill;
  c.ctx.fillText(text, at, c.top + top);
  return at + size + 8;
}
function line(c, t, top, height, stroke) {
  if (near(t, t)) { c.ctx.fillStyle = stroke; c.ctx.fillRect(Math.round(x(c, t)) - 0.5, c.top + top, 1.5, height); }
}
function wave(c, levels, fill, margin = 4, middled = true) {
  const middle = c.top + c.height / 2, step = 1 / c.ratio, secs = ((view.to - view.from) / c.width) * step;
  c.ctx.fillStyle = colour.line;
  if (middled) c.ctx.fillRect(0, middle - 0.5, c.width, 1);
  c.ctx.fillStyle = fill;
  for (let at = 0; at < c.width; at += step) {
    const from = view.from + (at / c.width) * (view.to - view.from);
    if (from + secs < 0) continue;
    const half = loudest(levels, from, from + secs) * (c.height / 2 - margin);
    if (half > 0.4) c.ctx.fillRect(at, middle - half, step, 2 * half);
  }
}
const spells = (c, list, fill) => { for (const [a, b] of list) box(c, a, b, c.height - 4, 3, fill); };
function bands(c, call) {
  for (const [a, b] of call.data.barge_ins) box(c, a, b, 0, c.height, colour.barge);
}

function drawAxis(c, call) {
  const steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600];
  const step = steps.find((each) => (each / (view.to - view.from)) * c.width > 72) ?? 3600;
  let free = 0;
  for (let n = Math.ceil(view.from / step); n * step <= view.to; n++) {
    line(c, n * step, 20, c.full - 20, colour.line);
    const secs = n * step, digits = step < 0.1 ? 2 : step < 1 ? 1 : 0;
    const text = `${secs < 0 ? "−" : ""}${Math.floor(Math.abs(secs) / 60)}:${(Math.abs(secs) % 60).toFixed(digits).padStart(digits ? digits + 3 : 2, "0")}`;
    free = label(c, secs, 13, text, colour.soft, free);
  }
  line(c, call.data.secs, 20, c.full - 20, colour.soft);
  for (const [at, , , bad] of call.data.verdicts) {
    if (!near(at, at)) continue;
    c.ctx.fillStyle = bad ? colour.bad : colour.warn;
    c.ctx.beginPath();
    c.ctx.moveTo(x(c, at) - 6, c.top + 16); c.ctx.lineTo(x(c, at) + 6, c.top + 16); c.ctx.lineTo(x(c, at), c.top + 25);
    c.ctx.fill();
  }
}

function drawHeard(c, call) {
  bands(c, call);
  wave(c, call.peaks.heard, colour.bot);
  spells(c, call.data.heard, colour.bot);
  // Lengths stand beside the title; what is below the title has its own in the picture.
  const title = c.ctx.measureText("Heard").width + 14;
  let free = title, drawn = -Infinity;
  for (const [at, secs] of call.data.underruns) {
    if (!near(at - secs, at) || x(c, at) - drawn < 0.5) continue;
    drawn = x(c, at);
    c.ctx.globalAlpha = 0.28;
    box(c, at - secs, at, 0, c.height, colour.bad);
    c.ctx.globalAlpha = 1;
    line(c, at - secs, 0, c.height, colour.bad);
    line(c, at, 0, c.height, colour.bad);
    const text = `gap ${Math.round(secs * 1000)} ms`;
    if (x(c, at) + 4 < title) label(c, at, 13, text, colour.bad);
    else free = label(c, at, -4, text, colour.bad, free);
  }
  for (const [from, to, answered] of call.data.turns) {
    if (!near(from, to)) continue;
    const middle = c.top + c.height / 2, text = `${Math.round((to - from) * 1000)} ms`;
    c.ctx.strokeStyle = c.ctx.fillStyle = colour.soft;
    c.ctx.beginPath();
    c.ctx.setLineDash([2, 3]);
    c.ctx.moveTo(x(c, from), middle); c.ctx.lineTo(x(c, to), middle);
    c.ctx.stroke();
    c.ctx.setLineDash([]);
    const left = x(c, to) - c.ctx.measureText(text).width - 4;
    const spoken = call.data.heard.findLast(([, end]) => end <= to);
    if (answered && left > (spoken ? x(c, spoken[1]) : 0)) c.ctx.fillText(text, left, middle - 6);
  }
}

function drawWords(c, call) {
  let free = 0;
  for (const [at, text, inContext, heard] of call.data.words) {
    const fill = inContext && !heard ? colour.bad : inContext ? colour.ink : colour.soft;
    line(c, at, 16, 5, fill);
    const end = label(c, at, 32, inContext ? text : `(${text})`, fill, free);
    if (inContext && !heard && end > free) { c.ctx.fillRect(x(c, at) + 4, c.top + 28, end - x(c, at) - 12, 1); }
    free = end;
  }
}

function drawEvents(c, call) {
  let free = 0;
  for (const [at, name, cleared] of call.data.marks) {
    line(c, at, 16, 8, cleared ? colour.lost : colour.soft);
    if (view.to - view.from < 5) free = label(c, at, 24, name, cleared ? colour.lost : colour.soft, free);
  }
  call.events ??= [
    ...call.data.clears.map(([from, to]) => [from, Math.max(from, to), `clear, silent in ${Math.round((to - from) * 1000)} ms`, "lost"]),
    ...call.data.stalls.map(([to, secs]) => [to - secs, to, `loop stalled for ${Math.round(secs * 1000)} ms`, "bad"]),
    ...call.data.keys.map(([at, key]) => [at, at, `key ${key}`, "caller"]),
  ].sort((a, b) => a[0] - b[0]);
  free = 0;
  for (const [from, to, text, fill] of call.events) {
    box(c, from, to, 28, 9, colour[fill]);
    free = label(c, to, 37, text, colour[fill], free, from);
  }
}

function drawAccount(c, call) {
  let free = 0;
  for (const [at, secs, kind, event, status] of call.data.account) {
    box(c, at, at + secs, 16, 4, kind === "rest" ? colour.bot : colour.caller);
    free = label(c, at, 31, `${kind === "rest" ? "" : "webhook "}${event} ${status ?? "no answer"}`, colour.soft, free);
  }
}

function draw() {
  for (const call of calls) {
    const ratio = devicePixelRatio || 1, width = call.canvas.clientWidth;
    const tall = (lane) => (lane.head ?? 0) + lane.height;
    const full = call.lanes.reduce((sum, lane) => sum + tall(lane) + 3, 0);
    if (call.canvas.width !== Math.round(width * ratio) || call.canvas.height !== Math.round(full * ratio)) {
      call.canvas.style.height = `${full}px`;
      call.canvas.width = Math.round(width * ratio);
      call.canvas.height = Math.round(full * ratio);
    }
    const ctx = call.canvas.getContext("2d");
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, width, full);
    ctx.font = '12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
    let top = 0;
    for (const lane of call.lanes) {
      const c = { ctx, width, ratio, full, top: top + (lane.head ?? 0), height: lane.height };
      if (lane.name) {
        ctx.fillStyle = colour.lane;
        ctx.fillRect(0, top, width, tall(lane));
        ctx.fillStyle = colour.soft;
        ctx.fillText(lane.note && width > 600 ? `${lane.name} · ${lane.note}` : lane.name, 6, top + 12);
      }
      ctx.save();
      if (lane.name) { ctx.beginPath(); ctx.rect(0, top, width, tall(lane)); ctx.clip(); }
      lane.draw(c, call);
      ctx.restore();
      top += tall(lane) + 3;
    }
    const c = { ctx, width, ratio, full, top: 0, height: full };
    if (picked !== null && picked.call === call) box(c, picked.at - 0.004 * (view.to - view.from), picked.at + 0.004 * (view.to - view.from), 26, full, colour.pick);
    line(c, place, 18, full, colour.ink);
  }
  drawOverview();
  byId("readout").textContent = `${clock(place)} · ${clock(view.from)} to ${clock(view.to)}`;
}

function drawOverview() {
  const canvas = byId("overview"), ratio = devicePixelRatio || 1, width = canvas.clientWidth, height = 34;
  canvas.width = Math.round(width * ratio);
  canvas.height = height * ratio;
  const ctx = canvas.getContext("2d"), kept = view;
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  view = whole;
  const c = { ctx, width, ratio, full: height, top: 0, height: 17 };
  wave(c, calls[0].peaks.caller, colour.caller, 2);
  wave({ ...c, top: 17 }, calls[0].peaks.heard, colour.bot, 2);
  const left = x(c, kept.from), right = x(c, kept.to);
  view = kept;
  ctx.fillStyle = colour.pick;
  ctx.fillRect(left, 0, right - left, height);
  ctx.strokeStyle = colour.bot;
  ctx.strokeRect(left + 0.5, 0.5, Math.max(right - left - 1, 2), height - 1);
}

// ---- hands

function hands(canvas) {
  const fingers = new Map();
  let moved = 0;
  const at = (event) => view.from + (event.offsetX / canvas.clientWidth) * (view.to - view.from);
  canvas.addEventListener("wheel", (event) => {
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) move(event.deltaX / canvas.clientWidth);
    else zoom(1.0016 ** event.deltaY, at(event));
    event.preventDefault();
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, event.offsetX);
    moved = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (before === undefined) return;
    const others = [...fingers].filter(([id]) => id !== event.pointerId).map(([, offset]) => offset);
    moved += Math.abs(event.offsetX - before);
    if (!others.length) move((before - event.offsetX) / canvas.clientWidth);
    else {
      const wide = Math.max(Math.abs(before - others[0]), 12), wider = Math.max(Math.abs(event.offsetX - others[0]), 12);
      zoom(wide / wider, view.from + (others[0] / canvas.clientWidth) * (view.to - view.from));
    }
    fingers.set(event.pointerId, event.offsetX);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (fingers.size === 1 && moved < 5) setPlace(at(event));
    fingers.delete(event.pointerId);
  });
  canvas.addEventListener("pointercancel", (event) => fingers.delete(event.pointerId));
}

byId("overview").addEventListener("pointerdown", (event) => {
  const at = whole.from + (event.offsetX / event.target.clientWidth) * (whole.to - whole.from), half = (view.to - view.from) / 2;
  look(at - half, at + half);
});
byId("in").onclick = () => zoom(0.5);
byId("out").onclick = () => zoom(2);
byId("all").onclick = () => look(whole.from, whole.to);

const play = () => {
  const call = calls.find((each) => each.audio);
  if (call) call.audio.paused ? call.audio.play() : call.audio.pause();
};
const KEYS = {
  "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: () => look(whole.from, whole.to), " ": play,
  ArrowLeft: () => move(-0.15), ArrowRight: () => move(0.15), Home: () => { look(whole.from, whole.from + view.to - view.from); setPlace(0); },
  End: () => look(whole.to - (view.to - view.from), whole.to), n: () => nextVerdict(1), p: () => nextVerdict(-1),
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, audio, #list")) return;
  if (event.key === " " && event.target.closest("button")) return;
  const act = KEYS[event.key];
  if (act) { act(); event.preventDefault(); }
});

// ---- the page

const calls = data.calls.map((call, index) => {
  const part = make("div", "", byId("calls"), "call");
  if (data.calls.length > 1) make("h3", `${index ? "Against" : "This call"}: ${call.name}`, part);
  const canvas = make("canvas", "", part);
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `The call ${call.name}: what was said, sent and heard. Keys move and zoom.`);
  hands(canvas);
  let audio = null;
  if (call.audio) {
    audio = make("audio", "", part);
    audio.controls = true;
    audio.preload = "auto";
    audio.src = URL.createObjectURL(new Blob([bytes(call.audio)], { type: "audio/wav" }));
    audio.setAttribute("aria-label", `Recording of ${call.name}`);
    const follow = () => {
      place = audio.currentTime;
      if (place > view.to || place < view.from) look(place, place + view.to - view.from);
      redraw();
      if (!audio.paused) requestAnimationFrame(follow);
    };
    audio.addEventListener("play", follow);
    audio.addEventListener("seeked", follow);
  } else if (call.recording) make("p", `This call is too long to be embedded. Its recording: ${call.recording}`, part, "hint");
  else make("p", "There is no recording of this call: what was said and heard is not known.", part, "hint");
  const peaks = Object.fromEntries(Object.entries(call.peaks).map(([name, base64]) => [name, pyramid(base64)]));
  call.audio = null;
  return { data: call, canvas, audio, peaks, lanes: LANES.filter((lane) => !lane.has || call[lane.has].length) };
});

const first = data.calls[0];
byId("facts").before(Object.assign(document.querySelector("h1"), { textContent: document.title }));
const answers = first.turns.filter((turn) => turn[2]).map((turn) => turn[1] - turn[0]).sort((a, b) => a - b);
const facts = [
  ["length", clock(first.secs)], ["ended", first.ended], ["turns answered", `${answers.length} of ${first.turns.length}`],
  ["median answer", answers.length ? `${Math.round((answers[(answers.length - 1) >> 1] + answers[answers.length >> 1]) * 500)} ms` : "none"],
  ["barge-ins", first.barge_ins.length], ["underruns", first.underruns.length],
];
if (first.within !== null) facts.push(["bot's clock within", `${(first.within * 1000).toFixed(1)} ms`]);
if (first.started) facts.push(["began", first.started.replace("T", " ").slice(0, 19)]);
for (const [name, fact] of facts) make("b", fact, make("li", `${name} `, byId("facts")));

const verdicts = calls.flatMap((call) => call.data.verdicts.map(([at, , text, bad]) => ({ call, at, text, bad })));
for (const verdict of verdicts) {
  const button = make("button", "", make("li", "", byId("verdicts")));
  make("time", clock(verdict.at), button);
  make("span", verdict.bad ? "defect" : "look", button, `tag ${verdict.bad ? "bad" : "look"}`);
  make("span", (calls.length > 1 ? `${verdict.call.data.name}: ` : "") + verdict.text, button);
  verdict.button = button;
  button.onclick = () => pick(verdict);
}
if (!verdicts.length) make("p", "Nothing to report: a good call.", byId("verdicts").parentElement, "good");
function pick(verdict) {
  for (const each of verdicts) each.button.removeAttribute("aria-current");
  verdict.button.setAttribute("aria-current", "true");
  verdict.button.scrollIntoView({ block: "nearest" });
  picked = verdict;
  goTo(verdict.at);
}
function nextVerdict(step) {
  if (verdicts.length) pick(verdicts[(verdicts.indexOf(picked) + step + (picked ? 0 : step < 0) + verdicts.length) % verdicts.length]);
}

if (data.differences.length) {
  byId("differences").hidden = false;
  const head = make("tr", "", document.querySelector("thead"));
  for (const name of ["", first.name, data.calls[1].name, "difference"]) make("th", name, head).scope = "col";
  for (const row of data.differences) {
    const tr = make("tr", "", document.querySelector("tbody"));
    row.forEach((cell, index) => make(index ? "td" : "th", cell, tr));
  }
}

// ---- messages: only the rows that can be seen are in the page

const ROW = 26;
const NAMES = { to_bot: "to the bot", from_bot: "from the bot", line: "line", rest: "REST", webhook: "webhook", bot: "bot" };
const rows = calls.flatMap((call, index) => call.data.rows.map((row) => ({ at: row[0], kind: row[1], event: row[2], text: row[3], count: row[4], call: index })));
rows.sort((a, b) => a.at - b.at);
let shown = rows;
const hidden = new Set();
const chips = [["media", "media"], ...Object.entries(NAMES).filter(([kind]) => rows.some((row) => row.kind === kind))];
for (const [kind, name] of chips) {
  const chip = make("label", "", byId("kinds")), tick = make("input", "", chip);
  tick.type = "checkbox";
  tick.checked = true;
  chip.append(name);
  tick.onchange = () => { tick.checked ? hidden.delete(kind) : hidden.add(kind); filterRows(); };
}
function filterRows() {
  const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  shown = rows.filter((row) => {
    if (hidden.has(row.kind) || (row.event === "media" && hidden.has("media"))) return false;
    const text = `${NAMES[row.kind]} ${row.event} ${row.text}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const messages = shown.reduce((sum, row) => sum + row.count, 0);
  const left = data.calls.reduce((sum, call) => sum + call.more_rows, 0);
  byId("count").textContent = `${messages.toLocaleString("en")} in ${shown.length.toLocaleString("en")} rows${left ? `; ${left.toLocaleString("en")} more are left out` : ""}`;
  byId("rows").style.height = `${shown.length * ROW}px`;
  byId("list").scrollTop = 0;
  showRows();
}
function showRows() {
  const list = byId("list"), from = Math.max(0, Math.floor(list.scrollTop / ROW) - 10);
  const part = document.createDocumentFragment();
  for (let i = from; i < Math.min(shown.length, from + Math.ceil(list.clientHeight / ROW) + 20); i++) {
    const row = shown[i], element = make("div", "", part, "row");
    element.style.top = `${i * ROW}px`;
    make("span", clock(row.at), element, "soft");
    make("span", (calls.length > 1 ? `${row.call + 1}: ` : "") + NAMES[row.kind], element, row.kind);
    make("span", row.count > 1 ? `${row.event} × ${row.count}` : row.event, element);
    make("span", row.text, element, "soft").title = row.text;
    element.onclick = () => goTo(row.at);
  }
  byId("rows").replaceChildren(part);
}
byId("filter").oninput = filterRows;
byId("list").addEventListener("scroll", showRows);

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); redraw(); });
addEventListener("resize", () => { redraw(); showRows(); });
readColours();
filterRows();
draw();
