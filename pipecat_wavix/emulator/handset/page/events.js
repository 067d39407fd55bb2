// The wire's events as a list that can be filtered. Only the rows in view exist, so an hour of
// media messages costs no more than a minute of them.

const ROW_HEIGHT = 26;
const MOST_ROWS = 200000;
const ARROWS = { to_bot: "→ bot", from_bot: "← bot", line: "line", turn: "turn" };

export class EventList {
  #all = [];
  #shown = [];
  #follows = true;
  #hidden = new Set(["media"]);
  #words = "";
  #isDirty = false;

  constructor(view, filters, search, count) {
    this.view = view;
    this.rows = view.firstElementChild;
    this.count = count;
    view.addEventListener("scroll", () => {
      this.#follows = view.scrollTop + view.clientHeight >= view.scrollHeight - ROW_HEIGHT;
      this.#draw();
    });
    new ResizeObserver(() => this.#draw()).observe(view);
    for (const button of filters.querySelectorAll("button")) {
      button.addEventListener("click", () => {
        const isOn = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", isOn);
        if (isOn) this.#hidden.delete(button.value);
        else this.#hidden.add(button.value);
        this.#filter();
      });
    }
    search.addEventListener("input", () => {
      this.#words = search.value.trim().toLowerCase();
      this.#filter();
    });
  }

  add(events) {
    this.#all.push(...events);
    if (this.#all.length > MOST_ROWS) {
      this.#all.splice(0, MOST_ROWS / 10);
      this.#filter();
    } else {
      const shown = events.filter((event) => this.#wanted(event));
      this.#shown.push(...shown);
      if (shown.length) this.#drawSoon();
    }
  }

  clear() {
    this.#all = [];
    this.#follows = true;
    this.#filter();
  }

  #filter() {
    this.#shown = this.#all.filter((event) => this.#wanted(event));
    this.#drawSoon();
  }

  #wanted(event) {
    return !this.#hidden.has(group(event)) && (!this.#words || told(event).includes(this.#words));
  }

  #drawSoon() {
    if (this.#isDirty) return;
    this.#isDirty = true;
    requestAnimationFrame(() => {
      this.#isDirty = false;
      this.#draw();
    });
  }

  #draw() {
    const { view, rows } = this;
    rows.style.height = `${this.#shown.length * ROW_HEIGHT}px`;
    if (this.#follows) view.scrollTop = view.scrollHeight;
    const first = Math.max(0, Math.floor(view.scrollTop / ROW_HEIGHT) - 2);
    const last = first + Math.ceil(view.clientHeight / ROW_HEIGHT) + 4;
    rows.replaceChildren(
      ...this.#shown.slice(first, last).map((event, i) => row(event, (first + i) * ROW_HEIGHT)),
    );
    this.count.textContent = `${this.#shown.length} of ${this.#all.length}`;
  }
}

function group({ dir, what }) {
  if (what === "media" || dir === "turn") return what === "media" ? "media" : "turn";
  if (what.startsWith("mark")) return "mark";
  return what.startsWith("clear") ? "clear" : "other";
}

function told({ dir, what, text, fate }) {
  return `${ARROWS[dir]} ${what} ${text} ${fate ?? ""}`.toLowerCase();
}

function row(event, top) {
  const line = document.createElement("div");
  line.className = `row ${event.dir} ${group(event)} ${event.what}`;
  line.style.top = `${top}px`;
  const fate = event.fate && !["sent", "used"].includes(event.fate) ? event.fate : "";
  for (const text of [event.t.toFixed(3), ARROWS[event.dir], event.what, event.text, fate]) {
    const cell = document.createElement("span");
    cell.textContent = text; // a mark's name is the bot's: never HTML
    line.append(cell);
  }
  return line;
}
