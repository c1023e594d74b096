// The log as it is written, and the parts of it that are looked for.
import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { ask } from "./api.js";
import { Act } from "./app.js";

const LEVELS = ["debug", "info", "warning", "error"];
const WORST = { warning: "warn", error: "bad", critical: "bad" };

/** A line in either form, {time, level, event, rest}; null if it is of neither. */
export function parsed(line) {
  let parts = {};
  try {
    parts = line.startsWith("{") ? JSON.parse(line) : {};
  } catch { /* Then it is shown as it is. */ }
  if (!line.startsWith("{")) for (const [, name, quoted, bare] of line.matchAll(/(\w+)=(?:'((?:[^'\\]|\\.)*)'|(\S+))/g)) parts[name] = quoted ?? bare;
  const { timestamp, level, event, ...rest } = parts;
  if (!timestamp || !level || !event) return null;
  const time = new Date(timestamp);
  const words = Object.entries(rest).map(([name, text]) => (name === "detail" ? text : `${name}=${text}`)).join(" ");
  return { time: isNaN(time) ? timestamp : time.toLocaleTimeString(), level, event, rest: words };
}

function Line({ line }) {
  const at = parsed(line);
  if (!at) return html`<div>${line}</div>`;
  return html`<div title=${line}><time class="quiet">${at.time}</time> <span class=${`tag ${WORST[at.level] || ""}`}>${at.level}</span> <b>${at.event}</b> ${at.rest}</div>`;
}

export default function Log({ store }) {
  const [filter, setFilter] = useState("");
  const [least, setLeast] = useState("debug");
  const [problem, setProblem] = useState("");
  const [, loaded] = useState(false);
  const box = useRef(null);
  const follow = useRef(true);
  useEffect(() => {
    ask("GET", "/api/log").then(({ lines }) => { store.lines = lines; loaded(true); }, (error) => setProblem(error.message));
  }, []);
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const bad = (line) => { const at = parsed(line); return !at || !LEVELS.includes(at.level) || LEVELS.indexOf(at.level) >= LEVELS.indexOf(least); };
  const lines = store.lines.filter((line) => words.every((word) => line.toLowerCase().includes(word)) && bad(line));
  // Who has scrolled up to read is left there.
  useEffect(() => { if (box.current && follow.current) box.current.scrollTop = box.current.scrollHeight; }, [lines.length, lines[lines.length - 1]]);
  const scrolled = () => { follow.current = box.current.scrollTop + box.current.clientHeight > box.current.scrollHeight - 30; };
  return html`<h1>Log</h1>
    <div class="row"><label for="filter">Lines with</label><input id="filter" type="search" value=${filter} onInput=${(event) => setFilter(event.target.value)} placeholder="payment, a Node, a name" />
      <label for="least">at least</label><select id="least" style="width:auto" value=${least} onChange=${(event) => setLeast(event.target.value)}>${LEVELS.map((each) => html`<option value=${each}>${each}</option>`)}</select></div>
    <p class="row"><span class="quiet">Have the Node write</span>${["warn", "info", "debug"].map((level) => html`<${Act} method="PATCH" path="/api/settings" body=${{ name: "log-level", value: level }} done="From now on.">${level}<//>`)}<span class="quiet">and worse.</span></p>
    ${problem && html`<p class="error" role="alert">${problem}</p>`}
    <section class="card"><div class="log" ref=${box} onScroll=${scrolled} tabindex="0" role="log" aria-label="Log">${lines.length ? lines.map((line) => html`<${Line} line=${line} />`) : store.lines.length ? "Nothing that fits." : "Nothing yet. Warnings and worse are logged, unless more is asked for above."}</div></section>`;
}
