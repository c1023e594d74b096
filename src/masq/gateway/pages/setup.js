// What a Node needs to begin with, step by step; looked over as a whole, and kept at once.
import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { ask } from "./api.js";
import { useRows } from "./settings.js";
import { Findings, useChecked, Value } from "./value.js";
import { Addresses, WalletStep } from "./wallet.js";

const MODES = [
  ["consume-only", "Use the network", "Your programs reach the Internet over other people's Nodes. You serve nobody. The easiest beginning."],
  ["originate-only", "Use and serve, behind a router", "You also relay for others and are paid for it, over connections that you open yourself."],
  ["standard", "Use and serve, reachable by all", "Others connect to you. Needs a public IP address, and a port that your router forwards."],
  ["zero-hop", "Try the proxy alone", "No network, no wallet, no privacy: what you send leaves from this machine."],
];
const KEEP = "masq-draft";

/** Texts by name; what is no secret outlives a reload of the tab. */
function useDraft() {
  const [draft, setDraft] = useState(() => { try { return JSON.parse(sessionStorage.getItem(KEEP)) || {}; } catch { return {}; } });
  const put = (name, text) => setDraft((before) => {
    const next = { ...before, [name]: text };
    sessionStorage.setItem(KEEP, JSON.stringify({ ...next, "consuming-private-key": undefined, "way": undefined }));
    return next;
  });
  const clear = () => sessionStorage.removeItem(KEEP);
  return [draft, put, clear];
}

function Mode({ value, set }) {
  return html`<fieldset class="choices"><legend class="visually-hidden">What this Node is to do</legend>${MODES.map(([name, title, why]) => html`<label class="choice"><input type="radio" name="mode" value=${name} checked=${value === name} onChange=${() => set(name)} /><span><b>${title}</b> <span class="tag">${name}</span><br /><span class="quiet">${why}</span></span></label>`)}</fieldset>`;
}

function Chain({ setup, value, set }) {
  return html`<div class="setting"><label for="chain">chain</label><p class="quiet" id="chain-help">The blockchain that payments travel on. Only Nodes of the same chain talk to each other.${setup.chain_given ? " It was named when this page was opened." : ""}</p>
    <select id="chain" aria-describedby="chain-help" disabled=${setup.chain_given} value=${value} onChange=${(event) => set(event.target.value)}>${setup.chains.map((name) => html`<option value=${name}>${name}</option>`)}</select></div>`;
}

/** The steps of a mode, in order: [id, title, names of settings in it]. */
function stepsOf(mode) {
  const network = mode && mode !== "zero-hop";
  const serves = mode === "standard" || mode === "originate-only";
  return [
    ["mode", "What you want", ["neighborhood-mode"]],
    network && ["provider", "Chain and provider", ["chain", "blockchain-service-url"]],
    network && ["wallet", "Wallets", ["consuming-private-key", "earning-wallet", "phrase", "further-private-keys"]],
    network && ["neighbors", "Neighbors", ["neighbors"]],
    mode === "standard" && ["address", "How others reach you", ["ip", "clandestine-port"]],
    network && ["country", "Countries", ["exit-location", "fallback-routing", ...(serves ? ["country"] : [])]],
    ["entry", "Your programs", ["entry-port"]],
    ["start", "Look over", []],
  ].filter(Boolean);
}

function Look({ name, value, chain }) {
  const state = useChecked(name, value, chain);
  if (!value) return null;
  return html`<h3>${name}</h3>${state.findings ? html`<${Findings} findings=${state.findings} />` : html`<p class=${state.bad ? "error" : "quiet"} role="status">${state.bad || "Asking…"}</p>`}`;
}

/** All of it together: what is wrong, or a button that begins. */
function Over({ draft, wallet, before, setup, chain, pays, go, kept, value }) {
  const [weighed, setWeighed] = useState(null);
  const [done, setDone] = useState(null);
  const [problem, setProblem] = useState("");
  const body = { values: draft, wallet: Boolean(wallet) };
  useEffect(() => {
    ask("POST", "/api/draft/check", body).then(setWeighed, (error) => setWeighed({ valid: false, problem: error.message, name: "" }));
  }, [JSON.stringify(body)]);
  const keep = async () => {
    setProblem("");
    try {
      const answer = await ask("POST", "/api/draft/keep", body);
      setDone(answer);
      kept();
    } catch (error) {
      setProblem(error.message);
    }
  };
  if (done && setup) return html`<p class="ok" role="status">Saved in <code>${done.saved_in}</code>. The Node starts now, and this page goes on with it. The next time, <code>${done.again}</code> starts it${done.again.includes("--") ? "; other commands take the same options" : ""}.</p>`;
  if (done) return html`<p class="ok" role="status">Saved. ${!done.changed.length && !done.after_restart.length ? "Nothing is otherwise now: the command line says something else, or it was so before. " : ""}${done.changed.length ? `In use now: ${done.changed.join(", ")}. ` : ""}${done.after_restart.length ? html`From the next start on: ${done.after_restart.join(", ")} (<code>masq stop</code>, then <code>masq run</code>).` : ""}</p>`;
  if (!setup && !Object.keys(draft).length) return html`<p class="quiet">Nothing was changed.</p>`;
  return html`
    <dl class="facts">${Object.entries(draft).filter(([, text]) => text).map(([name, text]) => html`<dt>${name}</dt><dd class="mono">${name === "consuming-private-key" ? "a key, which is not shown" : text}</dd>`)}</dl>
    ${wallet && html`<h3>wallets</h3><${Addresses} wallets=${wallet} before=${before} />`}
    <${Look} name="blockchain-service-url" value=${value("blockchain-service-url")} chain=${chain} /><${Look} name="neighbors" value=${value("neighbors")} chain=${chain} />
    ${!weighed ? html`<p class="quiet" role="status">Looking at all of it…</p>` : weighed.valid
      ? html`${!pays && html`<p>Mind: no wallet pays, so what you send yourself is refused. <button class="link" onClick=${() => go("consuming-private-key")}>Go there</button></p>`}${weighed.warnings.map((each) => html`<p class="quiet">Mind: ${each}</p>`)}<p class="ok" role="status">It fits together.</p><p><button class="main" onClick=${keep}>${setup ? "Save, and start the Node" : "Save"}</button></p>`
      : html`<p class="error" role="alert">${weighed.name && html`<b>${weighed.name}</b>: `}${weighed.problem} ${weighed.name && html`<button class="link" onClick=${() => go(weighed.name)}>Go there</button>`}</p>`}
    ${problem && html`<p class="error" role="alert">${problem}</p>`}`;
}

export default function Setup({ store }) {
  const setup = store.status.setup;
  const [rows, trouble, reload] = useRows();
  const [draft, put, clear] = useDraft();
  const [at, setAt] = useState("");
  const [way, setWay] = useState("");
  const [made, setMade] = useState(null);
  const [waiting, hold] = useState(false);
  const title = useRef(null);
  const problem = setup && setup.problem;
  useEffect(() => { if (problem) { reload(); setAt(""); setMade(null); setWay(""); } }, [problem && problem.words]);
  useEffect(() => { if (at && title.current) title.current.focus(); }, [at]);
  if (trouble) return html`<h1>Set up</h1><p class="error" role="alert">${trouble}</p>`;
  if (!rows) return html`<h1>Set up</h1><p class="quiet">One moment.</p>`;
  const by = new Map(rows.map((row) => [row.name, row]));
  const value = (name) => draft[name] ?? ((by.get(name) || {}).value || "");
  // The default is nobody's choice: who comes for the first time says what it is to be.
  const mode = draft["neighborhood-mode"] ?? (setup && !problem && value("neighborhood-mode") === "standard" ? "" : value("neighborhood-mode"));
  const chain = setup ? draft.chain || setup.chain : "";
  const wallets = made || (setup && setup.wallets);
  const steps = stepsOf(mode);
  const go = (name) => { const found = steps.find(([, , names]) => names.includes(name)); if (found) setAt(found[0]); };
  const wrong = problem && steps.find(([, , names]) => names.includes(problem.name));
  const step = Math.max(0, steps.findIndex(([id]) => id === (at || (wrong ? wrong[0] : "mode"))));
  const [id, heading] = steps[step];
  const fresh = way === "create" || way === "recover" || (!way && wallets !== null && wallets !== undefined);
  const names = steps.flatMap(([, , each]) => each);
  const chosen = Object.fromEntries(Object.entries({ ...draft, ...(mode ? { "neighborhood-mode": mode } : {}), ...(setup ? { chain } : {}) }).filter(([name, text]) => (names.includes(name) || name === "chain") && text !== undefined && (setup ? text !== "" || (by.get(name) || {}).value : text !== ((by.get(name) || {}).value || ""))));
  if (mode === "zero-hop" && !setup) delete chosen.chain;
  if (fresh && setup) delete chosen["consuming-private-key"];
  const field = (name, more = {}) => by.has(name) && html`<${Value} key=${name} row=${by.get(name)} value=${value(name)} set=${(text) => put(name, text)} chain=${chain} ...${more} />`;
  const given = Boolean((by.get("consuming-private-key") || {}).given);
  const pays = given || Boolean((fresh && wallets) || draft["consuming-private-key"]);
  const open = id === "mode" ? !mode : id === "wallet" && (waiting || (mode === "standard" ? !way && !pays && setup : !pays));
  return html`<h1>Set up</h1><p class="quiet">${setup ? html`Nothing runs yet. What you say here is kept in <code>${setup.file}</code>, which only you can read, when all of it fits together.` : "What you change here is checked as a whole, and kept in the config file."}</p>
    ${problem && html`<p class="verdict bad" role="alert"><span><b>The Node did not start</b>${problem.words}</span></p>`}
    <ol class="steps" aria-label="Steps">${steps.map(([each, name], number) => html`<li><button class=${each === id ? "main" : ""} aria-current=${each === id ? "step" : undefined} disabled=${waiting || (!mode && number > 0)} onClick=${() => setAt(each)}>${number + 1}. ${name}</button></li>`)}</ol>
    <section class="card"><h2 tabindex="-1" ref=${title}>${step + 1}. ${heading}</h2>
      ${id === "mode" && html`<${Mode} value=${mode} set=${(name) => put("neighborhood-mode", name)} />`}
      ${id === "provider" && html`${setup && html`<${Chain} setup=${setup} value=${chain} set=${(name) => put("chain", name)} />`}<p>Your Node pays, and sees payments, by a service of the chain. Its operator sees your wallets and your IP address: choose one that you trust.</p>${field("blockchain-service-url")}`}
      ${id === "wallet" && (setup
        ? html`${given ? html`<p>A wallet that pays is set already, and stays: <code>masq wallet show</code>.</p>` : ""}<${WalletStep} given=${given} way=${way || (wallets ? "create" : "")} choose=${(next) => { setWay(next); put("consuming-private-key", ""); }} wallets=${wallets} before=${!made} made=${setMade} held=${hold} waiting=${waiting} serves=${mode === "standard"}>${way === "key" && field("consuming-private-key")}${mode !== "consume-only" && !waiting && (way || given) && field("earning-wallet", fresh ? { help: "The address that others pay to, if it is not to be that of the phrase." } : {})}<//>`
        : html`<p>New wallets are made by <code>masq wallet create --save</code>, before a start.</p>${field("consuming-private-key")}${field("earning-wallet")}`)}
      ${id === "neighbors" && html`<p>Descriptors of Nodes that run, one a line, from a person or a list that you trust. ${mode === "standard" ? "Without one you are the first Node of a network, and others join you." : ""}</p>${field("neighbors", { lines: true })}`}
      ${id === "address" && html`${field("ip")}${field("clandestine-port")}`}
      ${id === "country" && html`${mode !== "consume-only" && field("country")}${field("exit-location")}${field("fallback-routing")}`}
      ${id === "entry" && html`<p>Browsers and other programs use the Node as SOCKS5 or HTTP proxy, at 127.0.0.1 and this port.</p>${field("entry-port")}`}
      ${id === "start" && html`<${Over} draft=${chosen} wallet=${setup && fresh && wallets} before=${!made} setup=${setup} chain=${chain} pays=${pays || mode === "zero-hop"} go=${go} kept=${clear} value=${value} />`}
      <p class="row">${step > 0 && html`<button disabled=${waiting} onClick=${() => setAt(steps[step - 1][0])}>Back</button>`}${step < steps.length - 1 && html`<button class="main" disabled=${open} onClick=${() => setAt(steps[step + 1][0])}>Next</button>`}</p></section>`;
}
