// The log as it is written, and the parts of it that are looked for.
import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { ask } from "./api.js";
import { Act } from "./app.js";

export default function Log({ store }) {
  const [filter, setFilter] = useState("");
  const [problem, setProblem] = useState("");
  const box = useRef(null);
  useEffect(() => {
    ask("GET", "/api/log").then(({ lines }) => { store.lines = lines; }, (error) => setProblem(error.message));
  }, []);
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const lines = store.lines.filter((line) => words.every((word) => line.toLowerCase().includes(word)));
  useEffect(() => { if (box.current) box.current.scrollTop = box.current.scrollHeight; }, [lines.length]);
  return html`<h1>Log</h1>
    <div class="row"><label for="filter">Lines with</label><input id="filter" type="search" value=${filter} onInput=${(event) => setFilter(event.target.value)} placeholder="warning stream" /></div>
    <p class="row">${["warn", "info", "debug"].map((level) => html`<${Act} method="PATCH" path="/api/settings" body=${{ name: "log-level", value: level }} done="From now on.">Log ${level} and worse<//>`)}</p>
    ${problem && html`<p class="error" role="alert">${problem}</p>`}
    <section class="card"><pre class="log" ref=${box} tabindex="0" role="log" aria-label="Log">${lines.length ? lines.join("\n") : "Nothing yet. Warnings and worse are logged, unless more is asked for above."}</pre></section>`;
}
