// The page: what its controls do, and what it shows of the call.
// It knows the states of a call as a person sees them. Sound is `headset`'s, pictures are `chart`'s.

import { Chart } from "./chart.js";
import { EventList } from "./events.js";
import { Headset } from "./headset.js";
import { Problem } from "./problems.js";

const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];
const LETTERS = ["", "abc", "def", "ghi", "jkl", "mno", "pqrs", "tuv", "wxyz", "", "+", ""];
const NETWORK = ["delay_ms", "jitter_ms", "loss"];
const TURNS_SHOWN = 4;

const $ = (id) => document.getElementById(id);
const chart = new Chart(document.querySelector("canvas"));
const list = new EventList($("list"), $("filters"), $("search"), $("count"));

// The call in progress: { socket, headset, isTalking, beganAt }.
let call = null;
let numbers = [];
let turns = {};

// What the tests and the curious may look at.
window.handset = { get call() { return call; } };

// The call

async function begin() {
  hideProblem();
  const mine = (call = { socket: null, headset: null, isTalking: false, beganAt: 0 });
  const isStill = () => call === mine;
  show("Opening the microphone and the loudspeaker");
  try {
    mine.headset = await Headset.open(mouth() === "microphone");
    if (!isStill()) return mine.headset.close();
    connect(mine);
  } catch (error) {
    if (isStill()) finish(error instanceof Problem ? error : new Problem("error", error.message));
  }
}

function connect(mine) {
  const { headset } = mine;
  const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/_emulator/phone/socket`);
  socket.binaryType = "arraybuffer";
  mine.socket = socket;
  show("Calling");
  socket.onopen = () => send({ do: "call", to: $("to").value.trim(), network: network() });
  socket.onmessage = ({ data }) => {
    if (call !== mine) return;
    if (data instanceof ArrayBuffer) headset.play(data);
    else take(JSON.parse(data));
  };
  socket.onclose = () => {
    if (call === mine) finish(new Problem("emulator"));
  };
  headset.onVoice = (frame) => {
    if (mine.isTalking && socket.readyState === WebSocket.OPEN) socket.send(frame);
  };
  headset.onReport = (report) => showReport(mine, report);
}

function take(message) {
  if (message.kind === "began") {
    call.isTalking = true;
    call.beganAt = performance.now();
    turns = { answer: [], "barge-in": [], underruns: 0, pageUnderruns: 0 };
    showFigures();
    list.clear();
    chart.start();
    show("In a call");
  } else if (message.kind === "news") {
    chart.add(message);
    list.add(message.events);
    message.events.forEach(note);
  } else {
    finish(message.problem && problemOf(message), message.text);
  }
}

function problemOf({ problem, text }) {
  const entry = numbers.find(({ number }) => number === $("to").value.trim());
  const isUnheard = problem === "unanswered" && entry && !entry.has_webhook;
  return new Problem(isUnheard ? "webhook" : problem, problem === "unanswered" ? "" : text);
}

function finish(problem, reason) {
  const { socket, headset } = call;
  call = null;
  socket?.close();
  headset?.close();
  chart.stop();
  show(problem ? "No call" : `The call is over${reason ? `: ${reason}` : ""}`);
  if (problem) showProblem(problem);
}

function hangUp() {
  if (call?.socket?.readyState === WebSocket.OPEN) send({ do: "hang_up" });
  else if (call) finish(null);
}

function send(order) {
  call.socket.send(JSON.stringify(order));
}

function press(key) {
  if (!call?.isTalking) return;
  send({ do: "press", key });
  const button = [...$("keypad").children].find(({ value }) => value === key);
  button?.classList.add("down");
  setTimeout(() => button?.classList.remove("down"), 150);
}

async function say(getData, isPcm, button) {
  hideProblem();
  button.disabled = true;
  try {
    const data = await getData();
    button.disabled = false;
    await call?.headset.say(data, isPcm);
  } catch (error) {
    showProblem(error instanceof Problem ? error : new Problem("error", error.message));
  } finally {
    button.disabled = !call?.isTalking;
  }
}

async function spoken() {
  const body = JSON.stringify({ text: $("words").value });
  const response = await fetch("phone/voice", { method: "POST", body });
  if (!response.ok) throw new Problem("voice", (await response.json()).message);
  return response.arrayBuffer();
}

// What is shown

function show(state) {
  $("state").textContent = state;
  const hadFocus = [$("call"), $("hang-up")].includes(document.activeElement);
  const isTalking = Boolean(call?.isTalking);
  document.body.dataset.state = isTalking ? "talking" : call ? "calling" : "idle";
  $("call").hidden = Boolean(call);
  $("hang-up").hidden = !call;
  if (hadFocus) $(call ? "hang-up" : "call").focus();
  for (const id of ["mute", "play-file", "play-words"]) $(id).disabled = !isTalking;
  for (const key of $("keypad").children) key.disabled = !isTalking;
  for (const field of document.querySelectorAll("#to, [name=mouth]")) field.disabled = Boolean(call);
  if (!isTalking) setMuted(false);
}

function showProblem({ title, message, kind }) {
  const box = $("problem");
  box.dataset.kind = kind;
  box.querySelector("strong").textContent = title;
  box.querySelector("p").textContent = message;
  box.hidden = false;
}

function hideProblem() {
  $("problem").hidden = true;
}

function note(event) {
  if (event.what === "answer" || event.what === "barge-in") turns[event.what].push(event.secs);
  else if (event.what === "underrun") turns.underruns++;
  else return;
  showFigures();
}

function showFigures() {
  const ms = (all) => all.slice(-TURNS_SHOWN).map((secs) => `${Math.round(secs * 1000)} ms`);
  $("answers").textContent = ms(turns.answer).join(" · ") || "–";
  $("barge-ins").textContent = ms(turns["barge-in"]).join(" · ") || "–";
  $("underruns").textContent = turns.underruns;
  $("page-underruns").textContent = turns.pageUnderruns;
}

function showReport(mine, { underruns, bufferedMs }) {
  if (call !== mine || !mine.isTalking) return;
  const secs = (performance.now() - mine.beganAt) / 1000;
  $("clock").textContent = `${Math.floor(secs / 60)}:${String(Math.floor(secs % 60)).padStart(2, "0")}`;
  $("buffered").textContent = `${Math.round(bufferedMs)} ms`;
  if (underruns > turns.pageUnderruns) {
    turns.pageUnderruns = underruns;
    const event = { t: secs, dir: "line", what: "page underrun", text: "of this page's loudspeaker" };
    chart.add({ said: [], heard: [], events: [event] });
    list.add([event]);
    showFigures();
  }
}

function setMuted(isMuted) {
  if (call?.headset) call.headset.isMuted = isMuted;
  $("mute").setAttribute("aria-pressed", isMuted);
  $("mute").textContent = isMuted ? "Muted" : "Mute";
}

// The controls

const mouth = () => document.querySelector("[name=mouth]:checked").value;
const network = () => Object.fromEntries(NETWORK.map((name) => [name, Number($(name).value)]));

function showNetwork() {
  for (const name of NETWORK) {
    const value = Number($(name).value);
    const text = name === "loss" ? `${Math.round(value * 100)} %` : `${value} ms`;
    document.querySelector(`output[for=${name}]`).textContent = text;
    $(name).setAttribute("aria-valuetext", text);
  }
}

function showMouth() {
  $("file-row").hidden = mouth() !== "file";
  $("voice-row").hidden = mouth() !== "voice";
}

function hint() {
  const entry = numbers.find(({ number }) => number === $("to").value.trim());
  const text = entry && !entry.has_webhook ? "No webhook yet: nobody would hear it ring." : "";
  $("hint").textContent = text;
  $("hint").hidden = !text;
}

KEYS.forEach((key, i) => {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", value: key, disabled: true });
  button.append(key, Object.assign(document.createElement("small"), { textContent: LETTERS[i] }));
  button.setAttribute("aria-label", { "*": "star", "#": "hash" }[key] ?? key);
  button.addEventListener("click", () => press(key));
  $("keypad").append(button);
});

$("phone").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!call) begin();
});
$("hang-up").addEventListener("click", hangUp);
$("mute").addEventListener("click", () => setMuted(!call.headset.isMuted));
$("to").addEventListener("input", hint);
$("to").addEventListener("focus", loadOptions);
$("problem").querySelector("button").addEventListener("click", hideProblem);
$("play-file").addEventListener("click", () => {
  const [file] = $("file").files;
  const read = async () => {
    if (!file) throw new Problem("file");
    return file.arrayBuffer();
  };
  say(read, false, $("play-file"));
});
$("play-words").addEventListener("click", () => say(spoken, true, $("play-words")));
$("words").addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  $("play-words").click();
});
for (const radio of document.querySelectorAll("[name=mouth]")) radio.addEventListener("change", showMouth);
for (const name of NETWORK) {
  $(name).addEventListener("input", () => {
    showNetwork();
    if (call?.isTalking) send({ do: "network", network: network() });
  });
}
document.addEventListener("keydown", ({ key, target, ctrlKey, metaKey, altKey }) => {
  const isTyping = target.matches("input:not([type=radio], [type=range], [type=file])");
  if (!isTyping && !ctrlKey && !metaKey && !altKey && KEYS.includes(key)) press(key);
});

async function loadOptions() {
  const response = await fetch("phone/options").catch(() => null);
  if (!response?.ok) return null;
  const options = await response.json();
  numbers = options.numbers;
  $("numbers").replaceChildren(
    ...numbers.map(({ number }) => Object.assign(document.createElement("option"), { value: number })),
  );
  hint();
  return options;
}

loadOptions().then((options) => {
  if (!options) return showProblem(new Problem("emulator"));
  const wanted = new URLSearchParams(location.hash.slice(1)).get("to");
  $("to").value ||= wanted ?? options.to ?? numbers[0]?.number ?? "";
  for (const name of NETWORK) $(name).value = options.network[name];
  showNetwork();
  hint();
});
show("Ready");
showMouth();
showNetwork();
