// Streams of our own user, and why others came to nothing.
import { html } from "./vendor/preact.js";
import { Act } from "./app.js";
import { bytes, masq, short, time } from "./text.js";

const ADVICE = {
  no_route: "Wait for more Nodes, or name more neighbors in Settings.",
  no_such_name: "See that the name is right: the exit asked, and there is none.",
  not_resolved: "See that the name is right; if it is, try again, or take other Nodes.",
  policy: "This exit does not serve that port or address: take other Nodes.",
  refused: "The server is there and takes no connection on that port.",
  not_connected: "The server did not answer the exit: see that it is up.",
  broken: "The server ended the connection.",
};
export const adviceFor = (cause) => ADVICE[cause] || "Try again; if it stays so, take other Nodes (the button above).";

export function Hops({ route }) {
  const last = route.length - 1;
  return html`<div class="hops">${route.map((key, at) => html`${at > 0 && "→"}<span class=${at === last ? "exit" : ""} title=${key}>${at === 0 ? "you" : short(key)}</span>`)}</div>`;
}

/** Wei for the bytes of a stream, by the prices of its hops: packages apart, so a little less than what is booked. */
function cost(stream, nodes) {
  const rates = (key) => (nodes.get(key) || {}).rates || [0, 0, 0, 0];
  const over = stream.route.slice(1);
  const back = stream.back.slice(0, -1);
  const relays = (way, count) => way.reduce((sum, key) => sum + rates(key)[0] * count, 0);
  const exit = over[over.length - 1];
  return relays(over.slice(0, -1), stream.sent) + relays(back.slice(1), stream.received) + rates(exit)[2] * (stream.sent + stream.received);
}

function grouped(failures) {
  const groups = new Map();
  for (const each of failures || []) {
    const key = `${each.target} ${each.reason}`;
    const group = groups.get(key);
    if (group) group.count++;
    else groups.set(key, { ...each, count: 1 });
  }
  return [...groups.values()];
}

export default function Streams({ store }) {
  const { status, speeds } = store;
  const nodes = new Map(status.nodes.map((node) => [node.key, node]));
  const failures = grouped(status.failures);
  return html`<h1>Streams</h1>
    <p class="quiet">Programs connect at <code>${status.entry}</code> (SOCKS5 and HTTP proxy).</p>
    <p><${Act} path="/api/route/new" done="New streams take new routes.">Take other Nodes<//></p>
    <section class="card"><h2>Open now: ${(status.streams || []).length}</h2>
      ${(status.streams || []).length
        ? html`<div class="scroll" tabindex="0" role="region" aria-label="Open streams"><table><thead><tr><th scope="col">To</th><th scope="col">Route</th><th scope="col" class="number">Speed</th><th scope="col" class="number">Out</th><th scope="col" class="number">In</th><th scope="col" class="number">About</th><th scope="col" class="number">Age</th></tr></thead>
            <tbody>${status.streams.slice(0, 300).map((stream) => html`<tr key=${stream.id}><td class="mono name">${stream.target}</td><td><${Hops} route=${stream.route} /></td>
              <td class="number">${bytes((speeds.get(stream.id) || {}).speed || 0)}/s</td><td class="number">${bytes(stream.sent)}</td><td class="number">${bytes(stream.received)}</td><td class="number">${masq(cost(stream, nodes))}</td><td class="number">${time(stream.age)}</td></tr>`)}</tbody></table></div>`
        : html`<p class="quiet">None. Set a browser's proxy to the address above, or try <code>curl --proxy socks5h://${status.entry} https://example.com</code>.</p>`}
    </section>
    <section class="card"><h2>What failed lately</h2>
      ${failures.length
        ? html`<div class="scroll" tabindex="0" role="region" aria-label="Failures"><table><thead><tr><th scope="col">To</th><th scope="col">What happened, and where</th><th scope="col">What to do</th><th scope="col" class="number">Ago</th></tr></thead>
            <tbody>${failures.map((each) => html`<tr><td class="mono name">${each.target}${each.count > 1 && ` (${each.count} times)`}</td><td class="name">${each.reason}</td><td class="name">${adviceFor(each.cause)}</td><td class="number">${time(each.age)}</td></tr>`)}</tbody></table></div>`
        : html`<p class="quiet">Nothing.</p>`}
    </section>`;
}
