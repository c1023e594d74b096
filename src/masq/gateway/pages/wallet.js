// Wallets of a Node that is set up here: new ones, with a phrase that is shown once, or those of a phrase.
import { html, useState } from "./vendor/preact.js";
import { ask } from "./api.js";

const LANGUAGES = ["English", "Chinese", "Traditional Chinese", "French", "Italian", "Japanese", "Korean", "Spanish", "Czech", "Portuguese"];

/** `before`: whether they are of before this page was loaded, so that nobody has just seen their phrase. */
export function Addresses({ wallets, before }) {
  return html`${before && html`<p class="error">These wallets were made or recovered before this page was loaded. If their phrase is not on your paper, make new ones.</p>`}<dl class="facts"><dt>Pays</dt><dd class="mono">${wallets.consuming_wallet}</dd><dt>Earns</dt><dd class="mono">${wallets.earning_wallet}</dd></dl>
    <p>Send the first one some MASQ to pay for traffic, and a little of the chain's coin for gas, now or later.</p>`;
}

/** `held(on)`: whether the phrase is still to be written down, so that nobody goes on without it. */
function Create({ made, held }) {
  const [phrase, setPhrase] = useState("");
  const [asked, setAsked] = useState(0);
  const [typed, setTyped] = useState("");
  const [problem, setProblem] = useState("");
  const words = phrase.split(" ");
  const create = async () => {
    try {
      const { phrase: fresh, ...wallets } = await ask("POST", "/api/wallet/create", {});
      setPhrase(fresh);
      setAsked(1 + Math.floor(Math.random() * fresh.split(" ").length));
      setTyped("");
      setProblem("");
      made(wallets);
      held(true);
    } catch (error) {
      setProblem(error.message);
    }
  };
  const confirmed = (event) => {
    event.preventDefault();
    if (typed.trim().toLowerCase() !== words[asked - 1]) return setProblem(`That is not word ${asked}: look at what you wrote down.`);
    setPhrase("");
    setProblem("");
    return held(false);
  };
  return html`${phrase
    ? html`<p><b>Write these ${words.length} words down, in this order, on paper.</b> They are shown this once. Who has them has the wallets, and nothing else brings them back.</p>
      <ol class="phrase mono" aria-label="Phrase">${words.map((word) => html`<li>${word}</li>`)}</ol>
      <form class="row" onSubmit=${confirmed}><label for="word">Word ${asked}, from your paper</label><input id="word" autocomplete="off" autocapitalize="none" spellcheck=${false} value=${typed} onInput=${(event) => setTyped(event.target.value)} /><button class="main">I have written them down</button></form>`
    : html`<p><button onClick=${create}>Make new wallets</button></p>`}
    ${problem && html`<p class="error" role="alert">${problem}</p>`}`;
}

function Recover({ made }) {
  const [phrase, setPhrase] = useState("");
  const [passphrase, setPassphrase] = useState("");
  const [language, setLanguage] = useState("English");
  const [problem, setProblem] = useState("");
  const recover = async (event) => {
    event.preventDefault();
    try {
      made(await ask("POST", "/api/wallet/recover", { phrase, passphrase, language }));
      setPhrase("");
      setPassphrase("");
      setProblem("");
    } catch (error) {
      setProblem(error.message);
    }
  };
  return html`<form onSubmit=${recover}>
    <p><label for="phrase">The phrase</label><textarea id="phrase" rows="3" autocomplete="off" autocapitalize="none" spellcheck=${false} value=${phrase} onInput=${(event) => setPhrase(event.target.value)}></textarea></p>
    <p><label for="passphrase">Its passphrase, if it has one</label><input id="passphrase" type="password" autocomplete="off" value=${passphrase} onInput=${(event) => setPassphrase(event.target.value)} /></p>
    <p><label for="language">Its language</label><select id="language" value=${language} onChange=${(event) => setLanguage(event.target.value)}>${LANGUAGES.map((each) => html`<option value=${each}>${each}</option>`)}</select></p>
    <button disabled=${!phrase.trim()}>Take these wallets</button>
    ${problem && html`<p class="error" role="alert">${problem}</p>`}</form>`;
}

const WAYS = [
  ["create", "Make new wallets", "For a beginning."],
  ["recover", "Recover wallets from their phrase", "Of another Node, or of MASQ Node 0.9.1."],
  ["key", "Take the private key of a wallet", "If a key is all there is."],
  ["none", "No wallet that pays", "This Node serves others, and what you send yourself is refused."],
];

/** `way` is how; `choose(way)` hears of it. `serves`: whether a Node without a wallet that pays makes sense. */
export function WalletStep({ given, way, choose, wallets, before, made, held, waiting, serves, children }) {
  if (given) return children;
  return html`<fieldset class="choices"><legend class="visually-hidden">Where the wallets come from</legend>
    ${WAYS.filter(([name]) => serves || name !== "none").map(([name, title, why]) => html`<label class="choice"><input type="radio" name="way" checked=${way === name} disabled=${waiting} onChange=${() => choose(name)} /><span><b>${title}</b><br /><span class="quiet">${why}</span></span></label>`)}</fieldset>
    ${way === "create" && html`<${Create} made=${made} held=${held} />`}
    ${way === "recover" && html`<${Recover} made=${made} />`}
    ${(way === "create" || way === "recover") && wallets && !waiting && html`<${Addresses} wallets=${wallets} before=${before} />`}
    ${children}`;
}
