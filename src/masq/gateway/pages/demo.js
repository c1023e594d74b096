// `masq demo`: all Nodes side by side, and what happens when one fails.
import { html, useState } from "./vendor/preact.js";
import { ask } from "./api.js";
import { Graph } from "./graph.js";
import { bytes, masq } from "./text.js";

let last = { at: 0, sums: {} };

function Button({ path, body, children, kind }) {
  const [problem, setProblem] = useState("");
  const act = () => ask("POST", `/api/demo/${path}`, body).then(() => setProblem(""), (error) => setProblem(error.message));
  return html`<button class=${kind} onClick=${act}>${children}</button>${problem && html`<span class="error" role="alert">${problem}</span>`}`;
}

function One({ node, names, you }) {
  const role = node.name === you ? "you" : "";
  const state = !node.alive ? "killed" : node.frozen ? "swallows all" : node.slowed ? "slow" : node.verdict ? "works" : "starts";
  return html`<section class=${`card ${node.alive ? "" : "dead"}`} aria-label=${node.name}>
    <h2>${node.name} ${role && html`<span class="tag">${role}</span>`} <span class=${`tag ${state === "works" ? "good" : state === "killed" || node.frozen ? "bad" : "warn"}`}>${state}</span></h2>
    ${node.verdict ? html`<dl class="facts"><dt>Neighbors</dt><dd>${node.neighbors.filter((each) => each.full).map((each) => (names.get(each.key) || "").replace("node-", "")).join(", ") || "none"}</dd>
      <dt>Circuits</dt><dd>${node.circuits} of others</dd><dt>Earned</dt><dd>${masq(node.earned_wei)}</dd><dt>Paid</dt><dd>${masq(node.paid_wei)}</dd></dl>` : html`<p class="quiet">${node.alive ? "It says nothing." : "It is gone. The others find ways around it."}</p>`}
    <p class="row">${node.alive
      ? html`<${Button} path="kill" body=${{ name: node.name }} kind="danger">Kill<//><${Button} path="slow" body=${{ name: node.name }}>${node.slowed ? "Any speed" : "Slow"}<//><${Button} path="drop" body=${{ name: node.name }}>${node.frozen ? "Work" : "Drop"}<//><${Button} path="empty" body=${{ name: node.name }}>Empty wallet<//>`
      : html`<${Button} path="start" body=${{ name: node.name }}>Start again<//>`}</p></section>`;
}

export default function Demo({ store }) {
  const { status } = store;
  const { demo } = status;
  const nodes = (status.order || []).map((name) => status[name]).filter(Boolean);
  const names = new Map(nodes.map((node) => [node.key, node.name]));
  const you = status[demo.originator] || {};
  const streams = you.streams || [];
  const steps = new Set(streams.flatMap((stream) => [stream.route, stream.back].flatMap((way) => way.slice(1).map((key, at) => [way[at], key].sort().join(">")))));
  const speed = last.at && Date.now() > last.at ? ((demo.fetched - last.fetched) * 1000) / (Date.now() - last.at) : 0;
  if (demo.fetched !== last.fetched || Date.now() - last.at > 2500) last = { at: Date.now(), fetched: demo.fetched, speed };
  const exits = new Set(streams.map((stream) => stream.route[stream.route.length - 1]));
  const dots = nodes.map((node) => ({ id: node.key, label: node.name === demo.originator ? `${node.name} (you)` : node.name, slow: node.slowed, kind: !node.alive || node.frozen ? "dead" : node.name === demo.originator ? "own" : exits.has(node.key) ? "exit" : "", r: node.name === demo.originator ? 9 : 7 }));
  const there = new Map();
  for (const node of nodes) for (const each of node.neighbors || []) {
    const [source, target] = [node.key, each.key].sort();
    const step = `${source}>${target}`;
    if (names.has(each.key)) there.set(step, { source, target, half: !each.full, own: steps.has(step), busy: steps.has(step) && streams.length > 0 });
  }
  const route = streams.length ? streams[streams.length - 1].route : null;
  return html`<h1>A MASQ network on this machine</h1>
    <p>${nodes.length} Nodes, each a process of its own. You are <b>${demo.originator}</b>: what you fetch goes over ${demo.hops} other Nodes, ${demo.hops > 1 ? html`<b>none of which knows both you and the server</b>` : "which knows both you and the server, so take more of them"}. The last one, the exit, asks the server. You pay each for what it carries, in tokens of a chain that runs here, too.</p>
    <div class="grid wide"><div>
      <section class="card"><${Graph} nodes=${dots} links=${[...there.values()]} label=${`${nodes.length} Nodes and their links; the cards below have the same.`} />
        <ul class="legend"><li><i style="background:var(--accent)"></i>you, and your route</li><li><i style="background:var(--good)"></i>the exit; moving dots are bytes</li><li><i style="background:var(--bad)"></i>× killed, or swallows all</li><li><i style="border:2px dashed var(--warn)"></i>slow</li></ul></section>
    </div><div>
      <section class="card" aria-live="polite"><h2>Your traffic</h2>
        ${route ? html`<div class="hops" aria-label="Route" role="group">${route.map((key, at) => html`${at > 0 && "→"}<span class=${at === route.length - 1 ? "exit" : ""}>${names.get(key) || key.slice(0, 8)}</span>`)}→<span>server</span></div>` : html`<p class="quiet">No stream is open now.</p>`}
        ${you.verdict && you.verdict.advice && html`<p class="error">${you.verdict.works ? "" : `${you.verdict.words}. `}What to do: ${you.verdict.advice}</p>`}
        <p>${bytes(demo.fetched)} fetched, ${bytes(last.speed || 0)}/s. Paid so far: ${masq(you.paid_wei)}.</p>
        <p class="row"><${Button} path="traffic" body=${{ on: !demo.traffic }} kind="main">${demo.traffic ? "Stop fetching" : "Fetch again and again"}<//><${Button} path="pay" body=${{}}>Pay now<//></p>
        <p class="quiet">Or by yourself: <code class="mono">curl --proxy ${demo.proxy} ${demo.site}</code></p></section>
      <section class="card"><h2>What happened</h2><ul class="notes" aria-live="polite">${demo.happened.length ? [...demo.happened].reverse().map((each) => html`<li>${each}</li>`) : html`<li class="quiet">Nothing yet. Kill a Node of the route, and see what your download does.</li>`}</ul>
        ${(you.failures || []).slice(0, 3).map((each) => html`<p class="error">${each.reason}</p>`)}</section>
    </div></div>
    <div class="nodes">${nodes.map((node) => html`<${One} key=${node.name} node=${node} names=${names} you=${demo.originator} />`)}</div>`;
}
