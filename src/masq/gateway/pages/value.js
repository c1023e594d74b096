// A value that is typed: its form is checked at once, and what it names (a provider, Nodes) is asked soon after.
import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { ask } from "./api.js";

const FORM = 250;
const LOOK = 700;
const LOOKED_AT = ["blockchain-service-url", "neighbors"];

/** What is known of a value: {busy, bad, good, findings}. */
export function useChecked(name, value, chain = "") {
  const [state, setState] = useState({});
  const turn = useRef(0);
  useEffect(() => {
    const mine = ++turn.current;
    const say = (next) => mine === turn.current && setState(next);
    const check = (look) => ask("POST", "/api/settings/check", { name, value, look, chain });
    setState({});
    if (!value) return undefined;
    const form = setTimeout(async () => {
      try {
        await check(false);
        if (!LOOKED_AT.includes(name)) say({ good: "This would do." });
        else say({ busy: "Asking…" });
      } catch (error) {
        say({ bad: error.message });
      }
    }, FORM);
    const look = setTimeout(async () => {
      if (!LOOKED_AT.includes(name)) return;
      try {
        const { findings = [] } = await check(true);
        say({ findings });
      } catch (error) {
        say({ bad: error.message });
      }
    }, LOOK);
    return () => { clearTimeout(form); clearTimeout(look); };
  }, [name, value, chain]);
  return state;
}

const MARKS = { good: "✓", warning: "!", bad: "×" };

export function Findings({ findings }) {
  return html`<ul class="findings">${findings.map((each) => html`<li class=${each.level}><b aria-hidden="true">${MARKS[each.level]}</b> <span class="visually-hidden">${each.level}:</span> ${each.what}: ${each.found}${each.do && html`<br /><span class="quiet">${each.do}</span>`}</li>`)}</ul>`;
}

/** One setting of a draft; `set(value)` hears what is typed. */
export function Value({ row, value, set, chain, title, help, lines }) {
  const state = useChecked(row.name, value, chain);
  const [text, setText] = useState(lines ? value.split(",").join("\n") : value);
  const id = `value-${row.name}`;
  const shared = { id, value, autocomplete: "off", spellcheck: false, "aria-describedby": `${id}-help ${id}-state`, "aria-invalid": state.bad ? "true" : "false", onInput: (event) => set(event.target.value) };
  const set_ = row.secret && row.given && !value;
  return html`<div class="setting">
    <label for=${id}>${title || row.name}</label>
    <p class="quiet" id=${`${id}-help`}>${help || row.help} (${row.expects}${row.default && `; without it: ${row.default}`})</p>
    ${row.expects === "on or off"
      ? html`<select ...${shared}><option value="">${row.default}</option><option value="on">on</option><option value="off">off</option></select>`
      : lines
        ? html`<textarea class="mono" rows="4" ...${shared} value=${text} onInput=${(event) => { setText(event.target.value); set(event.target.value.split(/[\s,]+/).filter(Boolean).join(",")); }}></textarea>`
        : html`<input type=${row.secret ? "password" : "text"} ...${shared} placeholder=${set_ ? "set; type to replace it" : ""} />`}
    <div role="status" id=${`${id}-state`}>${state.bad ? html`<p class="error">${state.bad}</p>` : state.busy ? html`<p class="quiet">${state.busy}</p>` : state.findings ? html`<${Findings} findings=${state.findings} />` : html`<p class="ok">${state.good || ""}</p>`}</div></div>`;
}
