// All settings with their help, from the Node's one table; each value is checked as it is typed.
import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { ask } from "./api.js";

/** One setting; `saved` hears of a change. */
export function Field({ row, saved, title }) {
  const [value, setValue] = useState(row.value || "");
  const [state, setState] = useState({});
  const timer = useRef(0);
  const id = `setting-${row.name}`;
  const typed = (event) => {
    const text = event.target.value;
    setValue(text);
    setState({});
    clearTimeout(timer.current);
    timer.current = setTimeout(async () => {
      try {
        await ask("POST", "/api/settings/check", { name: row.name, value: text });
        setState({ good: text ? "This would do." : "Taken out: the default counts." });
      } catch (error) {
        setState({ bad: error.message });
      }
    }, 250);
  };
  const save = async (event) => {
    event.preventDefault();
    clearTimeout(timer.current);
    setState({ busy: true });
    try {
      const answer = await ask("PATCH", "/api/settings", { name: row.name, value });
      const now = (answer.changed || []).includes(row.name);
      const later = (answer.after_restart || []).includes(row.name);
      setState({ good: now ? "Saved, and used from now on." : later ? "Saved; it counts after a restart." : "Saved. Nothing changes now: it is the same as before, or the command line says otherwise." });
      if (saved) saved(row.name);
    } catch (error) {
      setState({ bad: error.message });
    }
  };
  if (row.fixed) return html`<div class="setting"><b>${row.name}</b><p class="quiet">${row.help}</p><p><code>${row.value || row.default || "not given"}</code> <span class="quiet">It says where the config file is, so it is given to <code>masq run</code>.</span></p></div>`;
  const words = /^one of (.*)$/.exec(row.expects);
  const choices = words ? words[1].split(", ") : row.expects === "on or off" ? ["on", "off"] : null;
  return html`<form class="setting" onSubmit=${save}>
    <label for=${id}>${title || row.name}</label> ${row.at_once && html`<span class="tag good">at once</span>`} ${row.secret && html`<span class="tag warn">secret${row.given ? ", set" : ""}</span>`}
    <p class="quiet" id=${`${id}-help`}>${row.help} (${row.expects}${row.default && `; default: ${row.default}`})</p>
    <div class="row">${choices
      ? html`<select id=${id} aria-describedby=${`${id}-help`} value=${value} onChange=${typed} style="flex:1 1 12rem;width:auto"><option value="">default</option>${choices.map((each) => html`<option value=${each}>${each}</option>`)}</select>`
      : html`<input id=${id} type=${row.secret ? "password" : "text"} autocomplete="off" spellcheck="false" aria-describedby=${`${id}-help`} aria-invalid=${state.bad ? "true" : "false"} value=${value} placeholder=${row.secret && row.given ? "set; type to replace it" : ""} onInput=${typed} />`}
      <button disabled=${state.busy || Boolean(state.bad)}>Save</button></div>
    <p role="status" class=${state.bad ? "error" : "ok"}>${state.bad || state.good || ""}</p></form>`;
}

export function useRows() {
  const [rows, setRows] = useState(null);
  const [problem, setProblem] = useState("");
  const load = () => ask("GET", "/api/settings").then((answer) => setRows(answer.settings), (error) => setProblem(error.message));
  useEffect(() => { load(); }, []);
  return [rows, problem, load];
}

export default function Settings() {
  const [rows, problem] = useRows();
  const [filter, setFilter] = useState("");
  if (problem) return html`<h1>Settings</h1><p class="error" role="alert">${problem}</p>`;
  if (!rows) return html`<h1>Settings</h1><p class="quiet">One moment.</p>`;
  const shown = rows.filter((row) => `${row.name} ${row.help}`.toLowerCase().includes(filter.toLowerCase()));
  const groups = [...new Set(shown.map((row) => row.group))];
  return html`<h1>Settings</h1><p class="quiet">What is saved here stands in the config file. Those marked “at once” need no restart.</p>
    <div class="row" style="margin-bottom:1rem"><label for="find">Find</label><input id="find" type="search" value=${filter} onInput=${(event) => setFilter(event.target.value)} /></div>
    ${groups.map((group) => html`<section class="card" key=${group}><h2>${group}</h2>${shown.filter((row) => row.group === group).map((row) => html`<${Field} key=${row.name} row=${row} />`)}</section>`)}`;
}
