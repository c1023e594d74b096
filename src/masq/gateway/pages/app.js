// The frame around the pages: what there is, whether it works, what happened.
import { h, html, render, useEffect, useState } from "./vendor/preact.js";
import { ask, known } from "./api.js";
import { start, useStore } from "./store.js";

const PAGES = [
  ["", "Network", "network.js"],
  ["streams", "Streams", "streams.js"],
  ["map", "Map", "map.js"],
  ["money", "Money", "money.js"],
  ["setup", "Set up", "setup.js"],
  ["log", "Log", "log.js"],
  ["settings", "Settings", "settings.js"],
  ["try", "API", "try.js"],
];
const SETUP = ["setup", "Set up", "setup.js"];
const DEMO = ["demo", "Demo", "demo.js"];
const here = () => location.hash.replace(/^#\/?/, "").split("?")[0];

function Verdict({ store }) {
  const setup = store.status && store.status.setup;
  if (setup && store.state === "gone") {
    return html`<div class=${`verdict ${setup.starting ? "" : "bad"}`} role="status"><p>${setup.starting ? html`<b>The Node starts</b>This page goes on with it in a moment.` : html`<b>The set-up has ended</b>Begin it again with <code>masq open</code>.`}</p></div>`;
  }
  if (setup && !store.state) return null;
  if (store.state && store.state !== "wait") {
    const words = store.state === "gone" ? "The Node does not answer" : store.state;
    return html`<div class="verdict bad" role="status"><p><b>${words}</b>If it was stopped, start it with <code>masq run</code>, then open this page again with <code>masq open</code>.</p></div>`;
  }
  const verdict = store.status && store.status.verdict;
  if (!verdict) return null;
  const [first, ...rest] = verdict.words.split(": ");
  return html`<div class=${`verdict ${verdict.works ? (verdict.advice ? "warn" : "") : "bad"}`} role="status">
    <p><b>${first[0].toUpperCase() + first.slice(1)}</b>${rest.join(": ")}${verdict.advice && html`<br />What to do: ${verdict.advice}`}</p></div>`;
}

/** What happened lately; a screen reader says it as it comes. */
export function Notes({ notes }) {
  return html`<section class="card"><h2>What happened</h2>
    <ul class="notes" aria-live="polite">${notes.length
      ? notes.slice(0, 12).map((each) => html`<li class=${each.kind}><time>${each.at.toLocaleTimeString()}</time>${each.text}</li>`)
      : html`<li class="quiet">Nothing since this page was opened.</li>`}</ul></section>`;
}

function Denied() {
  return html`<div class="verdict bad" role="alert"><p><b>This page has no key to the Node</b>Open it with <code>masq open</code>, which puts the key into the address. Each tab needs its own.</p></div>`;
}

function App() {
  const store = useStore();
  const [place, setPlace] = useState(here());
  const [loaded, setLoaded] = useState({});
  const [problem, setProblem] = useState("");
  const demo = store.status && store.status.demo;
  const setup = store.status && store.status.setup;
  const pages = demo ? [DEMO] : setup ? [SETUP] : PAGES;
  useEffect(() => {
    const moved = () => setPlace(here());
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  const page = pages.find(([name]) => name === place) || pages[0];
  const View = loaded[page[2]];
  useEffect(() => {
    const tab = document.querySelector("nav [aria-current]");
    if (tab) tab.scrollIntoView({ block: "nearest", inline: "center" });
  }, [page[0], Boolean(store.status)]);
  useEffect(() => {
    document.title = `${page[1]} · MASQ Node`;
    import(`./${page[2]}`).then(
      (module) => setLoaded((before) => ({ ...before, [page[2]]: module.default })),
      (error) => setProblem(String(error)),
    );
  }, [page[2]]);
  if (!known() || store.state === "denied") {
    return html`<header><strong class="brand">MASQ</strong></header><main><${Denied} /></main>`;
  }
  return html`
    <a class="skip" href="#content" onClick=${(event) => { event.preventDefault(); document.getElementById("content").focus(); }}>To the content</a>
    <header><strong class="brand">MASQ</strong>
      <nav aria-label="Pages">${pages.map(([name, title]) => html`<a href=${`#/${name}`} aria-current=${page[0] === name ? "page" : undefined}>${title}</a>`)}</nav>
    </header>
    <main id="content" tabindex="-1">
      ${!demo && html`<${Verdict} store=${store} />`}
      ${problem && html`<p class="error" role="alert">${problem}</p>`}
      ${View && store.status ? html`<${View} store=${store} />` : html`<p class="quiet">One moment.</p>`}
    </main>`;
}

/** A button that asks for something, and shows what came of it. */
export function Act({ path, body = {}, children, kind = "", done = "Done.", confirm: question, method = "POST" }) {
  const [state, setState] = useState({});
  const act = async () => {
    if (question && !confirm(question)) return;
    setState({ busy: true });
    try {
      await ask(method, path, body);
      setState({ good: done });
    } catch (error) {
      setState({ bad: error.message });
    }
  };
  return html`<span class="row"><button class=${kind} disabled=${state.busy} onClick=${act}>${children}</button>
    <span role="status" class=${state.bad ? "error" : "ok"}>${state.bad || state.good || ""}</span></span>`;
}

render(h(App), document.getElementById("app"));

if (known()) start();
