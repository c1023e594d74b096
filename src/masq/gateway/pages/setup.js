// What a Node needs to begin with, one step after the other.
import { html, useState } from "./vendor/preact.js";
import { Field, useRows } from "./settings.js";

const STEPS = [
  ["blockchain-service-url", "1. A provider of the chain", "The service by which your Node pays and sees payments. Its operator sees your wallet and your IP address: choose one that you trust."],
  ["consuming-private-key", "2. A wallet to pay with", "`masq wallet create --save` makes one, and is safer than pasting a key here."],
  ["earning-wallet", "3. A wallet to earn with", "Only its address is needed. Whoever serves others is paid there."],
  ["neighbors", "4. Nodes to join at", "Descriptors of Nodes that run, from a person or a list that you trust."],
  ["neighborhood-mode", "5. What you do for others", "consume-only: nothing. originate-only: you serve, over connections that you opened. standard: others can reach you."],
  ["country", "6. Your country", "Others may choose you by it; left out, it follows from your address."],
];

export default function Setup() {
  const [rows, problem, load] = useRows();
  const [saved, setSaved] = useState([]);
  if (problem) return html`<h1>Set up</h1><p class="error" role="alert">${problem}</p>`;
  if (!rows) return html`<h1>Set up</h1><p class="quiet">One moment.</p>`;
  const by = new Map(rows.map((row) => [row.name, row]));
  return html`<h1>Set up</h1><p class="quiet">Each value is checked as you type, and kept in the config file.</p>
    ${STEPS.filter(([name]) => by.has(name)).map(([name, title, why]) => html`<section class="card" key=${name}><h2>${title} ${by.get(name).given && by.get(name).value !== "" ? html`<span class="tag good">set</span>` : html`<span class="tag warn">open</span>`}</h2><p>${why}</p><${Field} row=${by.get(name)} saved=${(each) => { setSaved([...saved, each]); load(); }} /></section>`)}
    ${saved.length > 0 && html`<section class="card" role="status"><h2>Next</h2><p>Saved: ${[...new Set(saved)].join(", ")}. What isn't used at once counts after a restart: <code>masq stop</code>, then <code>masq run</code>.</p></section>`}`;
}
