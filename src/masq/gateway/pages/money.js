// What is owed, owing, paid and under way, by Node and over time.
import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { ask } from "./api.js";
import { Act } from "./app.js";
import { masq, short, time, wallet } from "./text.js";

let library;
function load() {
  library ||= new Promise((done, failed) => {
    const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: "vendor/uplot.css" });
    const script = Object.assign(document.createElement("script"), { src: "vendor/uplot.js", onload: () => done(window.uPlot), onerror: failed });
    document.head.append(style, script);
  });
  return library;
}

function Plot({ history }) {
  const box = useRef(null);
  const plot = useRef(null);
  const data = () => [0, 1, 2, 3, 4].map((at) => history.map((point) => point[at]));
  useEffect(() => {
    let gone = false;
    load().then((UPlot) => {
      if (gone) return;
      const ink = getComputedStyle(document.documentElement);
      const color = (name) => ink.getPropertyValue(`--${name}`).trim();
      const axis = { stroke: color("quiet"), grid: { stroke: color("line"), width: 1 }, ticks: { stroke: color("line") } };
      const line = (label, name, dash) => ({ label, stroke: color(name), width: 2, dash, points: { show: false } });
      const options = {
        width: box.current.clientWidth, height: 240, cursor: { drag: { x: false, y: false } },
        axes: [{ ...axis, space: 70, incrs: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600] }, { ...axis, size: 90, values: (_, ticks) => ticks.map((tick) => masq(tick * 1e18).replace(" MASQ", "")) }],
        series: [{}, line("owed by us", "bad"), line("owed to us", "accent"), line("paid", "good"), line("earned", "warn", [6, 4])],
      };
      plot.current = new UPlot(options, data(), box.current);
    });
    const watch = new ResizeObserver(() => plot.current && plot.current.setSize({ width: box.current.clientWidth, height: 240 }));
    watch.observe(box.current);
    return () => { gone = true; watch.disconnect(); if (plot.current) plot.current.destroy(); };
  }, []);
  useEffect(() => { if (plot.current) plot.current.setData(data()); });
  return html`<div ref=${box} role="img" aria-label="MASQ owed, owing, paid and earned since this page was opened; the figures above say where it stands."></div>`;
}

const sum = (list) => (list || []).reduce((total, each) => total + BigInt(each.wei), 0n);

function Book({ title, rows, names, empty, banned }) {
  const sorted = [...(rows || [])].sort((one, other) => (BigInt(other.wei) > BigInt(one.wei) ? 1 : -1));
  return html`<section class="card"><h2>${title}</h2>${sorted.length
    ? html`<div class="scroll" tabindex="0" role="region" aria-label=${title}><table><thead><tr><th scope="col">Node</th><th scope="col">Wallet</th><th scope="col" class="number">Amount</th><th scope="col" class="number">Since</th></tr></thead><tbody>
      ${sorted.slice(0, 100).map((each) => html`<tr key=${each.wallet}><td class="mono">${names.get(each.wallet) || ""}</td><td class="mono" title=${each.wallet}>${wallet(each.wallet)} ${banned && banned.includes(each.wallet) && html`<span class="tag bad">refused</span>`}</td><td class="number">${masq(each.wei)}</td><td class="number">${time(Math.max(0, Date.now() / 1000 - each.since))}</td></tr>`)}</tbody></table></div>`
    : html`<p class="quiet">${empty}</p>`}</section>`;
}

const LOOK_EVERY = 10_000;

/** Accounts as the other side has signed them, asked for anew as long as the page is looked at. */
function useAudit(disputed) {
  const [accounts, setAccounts] = useState([]);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    const look = () => ask("GET", "/api/audit").then((answer) => { setAccounts(answer.accounts || []); setProblem(""); }, (error) => setProblem(error.message));
    look();
    const timer = setInterval(look, LOOK_EVERY);
    return () => clearInterval(timer);
  }, [disputed]);
  return [accounts, problem];
}

const day = (unix) => (unix ? new Date(unix * 1000).toLocaleString() : "never");
const ORDER = ["disputed", "counts more", "counts less", "agrees"];

/** What others claim beside what we count, those that differ first. */
function Statements({ status, names }) {
  const [accounts, problem] = useAudit(status.disputed);
  const rank = (each) => ORDER.indexOf(each.state);
  const sorted = [...accounts].sort((one, other) => rank(one) - rank(other));
  const disputed = accounts.filter((each) => each.state === "disputed");
  const claimed = disputed.reduce((total, each) => total + BigInt(each.theirs) - BigInt(each.ours), 0n);
  return html`<section class="card"><h2>Books compared ${disputed.length > 0 && html`<span class="tag bad">${disputed.length} disputed</span>`}</h2>
    ${problem && html`<p class="error" role="alert">${problem}</p>`}
    ${disputed.length > 0 && html`<p class="error">${masq(claimed)} more are claimed than we count. What is disputed isn't paid.</p>`}
    ${sorted.length ? html`<div class="scroll" tabindex="0" role="region" aria-label="Books compared"><table><thead><tr><th scope="col">Node</th><th scope="col">Side</th><th scope="col" class="number">They count</th><th scope="col" class="number">We count</th><th scope="col" class="number">Differs by</th><th scope="col">State</th><th scope="col">Agreed last</th></tr></thead><tbody>
      ${sorted.slice(0, 100).map((each) => html`<tr key=${each.side + each.wallet}><td class="mono" title=${each.wallet}>${each.node ? short(each.node) : names.get(each.wallet) || wallet(each.wallet)}</td><td>${each.side}</td><td class="number">${masq(each.theirs)}</td><td class="number">${masq(each.ours)}</td><td class="number">${masq(BigInt(each.theirs) - BigInt(each.ours))}</td><td><span class=${`tag ${each.state === "disputed" ? "bad" : each.state === "agrees" ? "good" : "warn"}`}>${each.state}</span>${each.notes.length > 0 && html` <span class="quiet">${each.notes[each.notes.length - 1]}</span>`}</td><td>${day(each.agreed)}</td></tr>`)}</tbody></table></div>`
      : html`<p class="quiet">Nobody has signed an account yet.</p>`}</section>`;
}

/** Who serves us no more until it is paid, as it says itself. */
function Refusals({ rows }) {
  if (!rows.length) return null;
  return html`<section class="card"><h2>Who banned us <span class="tag bad">${rows.length}</span></h2><p class="quiet">As they say. Nobody is paid for that: we pay what we count.</p>
    <div class="scroll" tabindex="0" role="region" aria-label="Who banned us"><table><thead><tr><th scope="col">Node</th><th scope="col" class="number">It counts</th><th scope="col" class="number">We count</th><th scope="col" class="number">It allows</th><th scope="col" class="number">Serves again at</th><th scope="col">Since</th><th scope="col">What to do</th></tr></thead><tbody>
      ${rows.slice(0, 100).map((each) => html`<tr key=${each.node + each.payer}><td class="mono" title=${each.wallet}>${short(each.node)}</td><td class="number">${masq(each.theirs)}</td><td class="number">${masq(each.ours)}</td><td class="number">${masq(each.most)}</td><td class="number">${masq(each.release)}</td><td>${day(each.since)}</td><td>${each.advice}</td></tr>`)}</tbody></table></div></section>`;
}

/** Those that pay: one, or several that take turns. */
function Wallets({ status }) {
  const several = status.wallets || [];
  const coins = (each) => masq(each.coins).replace(" MASQ", "");
  return html`<section class="card"><h2>Wallets</h2><dl class="facts"><dt>${several.length ? "Pays for most" : "Pays"}</dt><dd class="mono">${status.consuming_wallet || "none: `masq wallet create --save`"}</dd><dt>Earns</dt><dd class="mono">${["consume-only", "zero-hop"].includes(status.mode) ? `none: nothing is earned in mode ${status.mode}` : status.earning_wallet}</dd><dt>Chain</dt><dd>${status.chain}</dd></dl>
    ${several.length > 0 && html`<div class="scroll" tabindex="0" role="region" aria-label="Wallets that pay"><table><thead><tr><th scope="col">Pays</th><th scope="col" class="number">Has</th><th scope="col" class="number">For gas</th><th scope="col" class="number">Owes</th><th scope="col" class="number">Lacks</th><th scope="col" class="number">Paid</th></tr></thead><tbody>
      ${several.map((each) => html`<tr key=${each.wallet}><td class="mono" title=${each.wallet}>${wallet(each.wallet)}</td><td class="number">${masq(each.tokens)}</td><td class="number">${coins(each)}</td><td class="number">${masq(each.owed_wei)}</td><td class="number">${each.lacking !== "0" ? html`<span class="error">${masq(each.lacking)}</span>` : "nothing"}</td><td class="number">${masq(each.paid_wei)}</td></tr>`)}</tbody></table></div>`}</section>`;
}

/** Tokens or coins of all wallets that pay, as far as they are known; null: of none. */
function total(status, name) {
  const rows = (status.wallets || []).length ? status.wallets : [status.money || {}];
  const known = rows.map((each) => each[name]).filter((each) => each !== null && each !== undefined);
  return known.length ? known.reduce((all, each) => all + BigInt(each), 0n) : null;
}

export default function Money({ store }) {
  const { status, history } = store;
  const names = new Map((status.nodes || []).map((node) => [node.wallet, short(node.key)]));
  const hour = status.uptime < 3600 ? (Number(status.spent_hour_wei) * 3600) / Math.max(60, status.uptime) : Number(status.spent_hour_wei);
  const many = (status.wallets || []).length;
  return html`<h1>Money</h1>
    <dl class="figures">
      <div><dt>We owe</dt><dd>${masq(sum(status.payables))}</dd></div>
      <div><dt>Owed to us</dt><dd>${masq(sum(status.receivables))}</dd></div>
      <div><dt>Paid since the start</dt><dd>${masq(status.paid_wei)}</dd></div>
      <div><dt>Earned since the start</dt><dd>${masq(status.earned_wei)}</dd></div>
      <div><dt>An hour of the present use</dt><dd>${masq(hour)}</dd></div>
      <div><dt>Spent in this hour</dt><dd>${masq(status.spent_hour_wei)}${status.most_hour_wei ? html` <small class="quiet">of ${masq(status.most_hour_wei)}</small>` : ""}</dd></div>
      ${status.consuming_wallet && html`<div><dt>${many ? `In ${many} wallets that pay` : "In the consuming wallet"}</dt><dd>${masq(total(status, "tokens"))}</dd></div><div><dt>For gas</dt><dd>${masq(total(status, "coins")).replace(" MASQ", "")} <small class="quiet">of the chain's coin</small></dd></div>`}
    </dl>
    <${Refusals} rows=${status.refused_by || []} />
    <section class="card"><h2>Since this page was opened</h2><${Plot} history=${history} /></section>
    <div class="grid">
      <${Book} title="We owe" rows=${status.payables} names=${names} empty="Nothing is owed." />
      <${Book} title="Owed to us" rows=${status.receivables} names=${names} banned=${status.banned} empty="Nobody owes us anything." />
    </div>
    <section class="card"><h2>Payments under way</h2>${(status.payments || []).length
      ? html`<div class="scroll" tabindex="0" role="region" aria-label="Payments"><table><thead><tr><th scope="col">To</th><th scope="col" class="number">Amount</th><th scope="col">Transaction</th><th scope="col">State</th></tr></thead><tbody>${status.payments.map((each) => html`<tr><td class="mono">${names.get(each.wallet) || wallet(each.wallet)}</td><td class="number">${masq(each.wei)}</td><td class="mono">${each.hash}</td><td>${each.state || "sent"}</td></tr>`)}</tbody></table></div>`
      : html`<p class="quiet">None.</p>`}
      <p class="row"><${Act} path="/api/scan" body=${{ scan: "payables" }}>Pay what is due<//> <${Act} path="/api/scan" body=${{ scan: "receivables" }}>Look for income<//></p></section>
    <${Wallets} status=${status} />
    <${Statements} status=${status} names=${names} />
    <section class="card"><h2>Refusals, bills that were too high, warnings</h2>
      ${(status.banned || []).map((each) => html`<p>Refused until it pays: <span class="mono">${each}</span></p>`)}
      ${(status.overbilled || []).map((each) => html`<p class="error">Node ${short(each.node)} billed ${masq(each.billed)}; we counted ${masq(each.counted)}, and pay that.</p>`)}
      ${(status.warnings || []).map((each) => html`<p>${each}</p>`)}
      ${!(status.banned || []).length && !(status.overbilled || []).length && !(status.warnings || []).length && html`<p class="quiet">None.</p>`}</section>`;
}
