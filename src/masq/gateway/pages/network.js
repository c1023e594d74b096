// The known mesh: who is there, whose neighbor, which way our streams go.
import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { Act, Notes } from "./app.js";
import { Graph, linksOf, routesOf } from "./graph.js";
import { bytes, country, masq, short, time, wallet } from "./text.js";

function kindOf(node, status, exits) {
  if (node.key === status.public_key) return "own";
  if ((status.bans || []).some((ban) => ban.banned && [node.key, node.wallet, (node.address || "").split(":")[0]].includes(ban.who))) return "banned";
  if ((status.avoided || []).some((each) => node.key.startsWith(each.node))) return "dead";
  if (exits.has(node.key)) return "exit";
  if ((status.neighbors || []).some((each) => each.key === node.key && each.full)) return "neighbor";
  return "";
}

/** Keys of Nodes that are slower than half of what is usual here, as the Node's own choice of routes has it. */
function slowOnes(nodes) {
  const known = nodes.filter((node) => node.reputation && node.reputation.speed).map((node) => [node.key, node.reputation.speed]);
  if (known.length < 3) return new Set();
  const speeds = known.map(([, speed]) => speed).sort((one, other) => one - other);
  const middle = speeds.length >> 1;
  const typical = speeds.length % 2 ? speeds[middle] : (speeds[middle - 1] + speeds[middle]) / 2;
  return new Set(known.filter(([, speed]) => speed < typical / 2).map(([key]) => key));
}

const WORDS = { own: "this Node", banned: "banned", dead: "failed us", exit: "your exit", neighbor: "neighbor", "": "known" };

function Reputation({ of }) {
  if (!of) return null;
  return html`<dt>Reputation</dt><dd>${of.score.toFixed(2)} of 1${of.guard ? ", one of your first hops" : ""}: ${of.why}</dd>
    ${of.speed !== null && html`<dt>Speed</dt><dd>${bytes(of.speed)}/s, the best of late</dd>`}
    ${of.round_trip !== null && html`<dt>Round trip</dt><dd>${Math.round(of.round_trip * 1000)} ms, of circuits over it</dd>`}`;
}

function Details({ node, status, kind, slow }) {
  const [relayByte, relayPack, exitByte, exitPack] = node.rates || [];
  const owed = (status.payables || []).find((each) => each.wallet === node.wallet);
  const names = [node.key, node.wallet, (node.address || "").split(":")[0]];
  const bans = (status.bans || []).filter((ban) => names.includes(ban.who));
  const failed = (status.avoided || []).filter((each) => node.key.startsWith(each.node));
  const bills = (status.overbilled || []).filter((each) => each.node === node.key);
  const card = useRef(null);
  // On a phone it stands below all else.
  useEffect(() => { if (card.current) card.current.scrollIntoView({ block: "nearest" }); }, []);
  return html`<section class="card" ref=${card} aria-label="Node"><h2>Node ${short(node.key)} <span class="tag">${WORDS[kind]}</span> ${slow && html`<span class="tag warn">slow</span>`}</h2>
    <dl class="facts">
      <dt>Address</dt><dd class="mono">${node.address || "not known"}</dd>
      <dt>Country</dt><dd>${country(node.country)}</dd>
      <dt>Does</dt><dd>${node.serves ? "relays and exits" : "nothing for others"}</dd>
      <${Reputation} of=${node.reputation} />
      <dt>Relays for</dt><dd>${relayByte ?? "?"} wei a byte, ${relayPack ?? "?"} a package</dd>
      <dt>Exits for</dt><dd>${exitByte ?? "?"} wei a byte, ${exitPack ?? "?"} a package</dd>
      <dt>A GB as exit</dt><dd>${exitByte === undefined ? "?" : masq(exitByte * 1e9)}</dd>
      <dt>We owe it</dt><dd>${masq(owed ? owed.wei : 0)}</dd>
      <dt>Wallet</dt><dd class="mono">${node.wallet}</dd>
      <dt>Key</dt><dd class="mono">${node.key}</dd>
    </dl>
    ${failed.map((each) => html`<p class="error">Failed us ${time(each.age)} ago: ${each.reason}</p>`)}
    ${bills.map((each) => html`<p class="error">Billed ${masq(each.billed)} where we counted ${masq(each.counted)}, ${time(each.age)} ago</p>`)}
    ${bans.map((ban) => html`<p class=${ban.banned ? "error" : "quiet"}>${ban.who}: ${ban.points.toFixed(0)} points${ban.banned ? `, banned for ${time(ban.left)}` : ""}: ${ban.reasons.join("; ")}</p>`)}
    ${kind !== "own" && html`<p><${Act} path="/api/ban" body=${{ who: node.key, seconds: 3600 }} kind="danger" confirm="Refuse this Node for an hour?">Ban for an hour<//></p>`}
    ${bans.map((ban) => html`<p><${Act} path="/api/lift" body=${{ who: ban.who }}>Forgive ${short(ban.who)}<//></p>`)}
  </section>`;
}

export default function Network({ store }) {
  const { status, speeds, notes } = store;
  const [chosen, choose] = useState(null);
  const exits = new Set((status.streams || []).map((stream) => stream.route[stream.route.length - 1]));
  (status.exits || []).forEach((each) => exits.add(each.node));
  const steps = routesOf(status.streams, speeds);
  const kinds = new Map(status.nodes.map((node) => [node.key, kindOf(node, status, exits)]));
  const slow = slowOnes(status.nodes);
  const nodes = status.nodes.map((node) => ({ id: node.key, label: kinds.get(node.key) === "own" ? "you" : short(node.key), kind: kinds.get(node.key), slow: slow.has(node.key), r: kinds.get(node.key) === "own" ? 9 : 6 }));
  const node = status.nodes.find((each) => each.key === chosen);
  const traffic = status.traffic || { received: 0, sent: 0 };
  const label = `${status.nodes.length} Nodes are known, ${(status.neighbors || []).length} of them neighbors; the table below lists them.`;
  return html`<h1>Network</h1>
    <dl class="figures">
      <div><dt>Nodes known</dt><dd>${status.nodes_known}</dd></div>
      <div><dt>Neighbors</dt><dd>${(status.neighbors || []).filter((each) => each.full).length}</dd></div>
      <div><dt>Your streams</dt><dd>${(status.streams || []).length}</dd></div>
      <div><dt>For others</dt><dd>${status.serving + status.circuits}</dd></div>
      <div><dt>In and out</dt><dd>${bytes(traffic.received)} / ${bytes(traffic.sent)}</dd></div>
      <div><dt>Up</dt><dd>${time(status.uptime)}</dd></div>
    </dl>
    <div class="grid wide"><div>
      <section class="card"><${Graph} nodes=${nodes} links=${linksOf(status.nodes, steps)} pick=${choose} label=${label} />
        <ul class="legend"><li><i style="background:var(--accent)"></i>you, neighbors, your routes</li><li><i style="background:var(--good)"></i>your exits</li><li><i style="background:var(--bad)"></i>× failed or banned</li><li><i style="border:2px dashed var(--warn)"></i>slow</li><li><i style="background:var(--node)"></i>others</li></ul>
        <p class="row"><${Act} path="/api/route/new" done="New streams take new routes.">Take other Nodes<//></p></section>
      <section class="card"><h2>All Nodes</h2><div class="scroll" tabindex="0" role="region" aria-label="All Nodes"><table><thead><tr><th scope="col">Node</th><th scope="col">Is</th><th scope="col">Country</th><th scope="col">Address</th><th scope="col">Wallet</th></tr></thead>
        <tbody>${status.nodes.slice(0, 200).map((each) => html`<tr key=${each.key}><td><button class="link" onClick=${() => choose(each.key)}>${short(each.key)}</button></td><td>${WORDS[kinds.get(each.key)]}${slow.has(each.key) ? ", slow" : ""}</td><td>${each.country || ""}</td><td class="mono">${each.address || ""}</td><td class="mono">${wallet(each.wallet)}</td></tr>`)}</tbody></table></div>
        ${status.nodes.length > 200 && html`<p class="quiet">and ${status.nodes.length - 200} more.</p>`}</section>
    </div><div>
      ${node ? html`<${Details} key=${node.key} node=${node} status=${status} kind=${kinds.get(node.key)} slow=${slow.has(node.key)} />` : html`<section class="card"><h2>A Node</h2><p class="quiet">Choose one in the picture or the table: its record, prices, reputation and books.</p></section>`}
      <${Notes} notes=${notes} />
    </div></div>`;
}
