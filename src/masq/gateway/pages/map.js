// Nodes by the country that they say they are in.
import { html, useEffect, useMemo, useState } from "./vendor/preact.js";
import { ask } from "./api.js";
import { Field, useRows } from "./settings.js";
import { country } from "./text.js";

let atlas;
async function load() {
  atlas ||= Promise.all(["vendor/countries.json", "vendor/codes.json"].map((path) => fetch(path).then((answer) => answer.json()))).then(([world, codes]) => shapes(world, new Map(codes.map(([two, , number]) => [number, two]))));
  return atlas;
}

/** TopoJSON -> SVG paths, in degrees: x from -180 to 180, y downwards. */
function shapes(world, codes) {
  const { scale, translate } = world.transform;
  const arcs = world.arcs.map((arc) => {
    let [x, y] = [0, 0];
    return arc.map(([dx, dy]) => [(x += dx) * scale[0] + translate[0], -((y += dy) * scale[1] + translate[1])]);
  });
  const points = (at) => (at < 0 ? [...arcs[~at]].reverse() : arcs[at]);
  const ring = (parts) => {
    const line = parts.flatMap((at, number) => points(at).slice(number ? 1 : 0));
    let path = "";
    line.forEach(([x, y], at) => {
      // A ring that crosses the date line begins anew there.
      const jump = at && Math.abs(x - line[at - 1][0]) > 180;
      path += `${at && !jump ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    });
    return `${path}Z`;
  };
  return world.objects.countries.geometries.filter((each) => each.properties.name !== "Antarctica").map((each) => ({
    code: codes.get(each.id) || "",
    name: each.properties.name,
    path: (each.type === "Polygon" ? [each.arcs] : each.arcs || []).flatMap((polygon) => polygon.map(ring)).join(""),
  }));
}

/** The countries of a value of `exit-location`, whatever their order. */
const chosenIn = (value) => (value || "").split("|").flatMap((group) => group.split(",")).filter(Boolean);

export default function Map_({ store }) {
  const { status } = store;
  const [settings, trouble, reload] = useRows();
  const [said, setSaid] = useState({});
  const [wish, setWish] = useState(null); // What was chosen just now, until the Node says so.
  const row = (name) => (settings || []).find((each) => each.name === name);
  const chosen = wish || chosenIn(row("exit-location") && row("exit-location").value);
  const choose = async (code) => {
    const wanted = chosen.includes(code) ? chosen.filter((each) => each !== code) : [...chosen, code];
    const value = wanted.join(",");
    setWish(wanted);
    try {
      await ask("PATCH", "/api/settings", { name: "exit-location", value });
      setSaid({ good: value ? `New connections leave in ${value.split(",").map(country).join(", ")}.` : "New connections leave anywhere." });
    } catch (error) {
      setSaid({ bad: error.message });
    }
    await reload();
    setWish(null);
  };
  const [world, setWorld] = useState([]);
  const [problem, setProblem] = useState("");
  useEffect(() => { load().then(setWorld, () => setProblem("The map could not be loaded.")); }, []);
  const count = {};
  for (const node of status.nodes) if (node.key !== status.public_key && node.serves) count[node.country || "?"] = (count[node.country || "?"] || 0) + 1;
  const used = {};
  for (const each of status.exits || []) used[each.country || "?"] = (used[each.country || "?"] || 0) + each.circuits;
  const key = JSON.stringify([count, used, chosen]);
  const picture = useMemo(() => world.map((each) => html`<path d=${each.path} class=${`${used[each.code] ? "used" : count[each.code] ? "has" : ""} ${chosen.includes(each.code) ? "chosen" : ""}`} onClick=${() => (count[each.code] || chosen.includes(each.code)) && choose(each.code)}><title>${each.name}${count[each.code] ? `: ${count[each.code]} Nodes` : ""}</title></path>`), [world, key]);
  for (const code of chosen) count[code] = count[code] || 0;
  const rows = Object.entries(count).sort((one, other) => other[1] - one[1]);
  return html`<h1>Map</h1><p class="quiet">Where Nodes say that they are. Nobody checks that: an exit's country is a claim.</p>
    ${problem && html`<p class="error" role="alert">${problem}</p>`}
    <section class="card"><svg class="map" viewBox="-180 -85 360 145" role="img" aria-label="A world map; the table below has the same figures.">${picture}</svg>
      <ul class="legend"><li><i style="background:var(--good)"></i>your exits now</li><li><i style="background:var(--accent)"></i>Nodes that could be exits: click to choose</li><li><i style="border:3px solid var(--warn)"></i>chosen</li></ul></section>
    <section class="card"><h2>By country</h2><div class="scroll" tabindex="0" role="region" aria-label="Countries"><table><thead><tr><th scope="col">Country</th><th scope="col" class="number">Nodes</th><th scope="col">Your exits</th><th scope="col">Exit here</th></tr></thead>
      <tbody>${rows.map(([code, nodes]) => html`<tr key=${code}><td>${code === "?" ? "not said" : `${country(code)} (${code})`}</td><td class="number">${nodes}</td><td>${used[code] ? "in use" : ""}</td><td>${code !== "?" && settings && html`<input type="checkbox" aria-label=${`Exit in ${country(code)}`} checked=${chosen.includes(code)} onChange=${() => choose(code)} />`}</td></tr>`)}</tbody></table></div>
      <p role="status" class=${said.bad ? "error" : "ok"}>${said.bad || said.good || ""}</p>
      <p class="quiet">${chosen.length ? "Streams that are open stay where they are." : "None is chosen: your exits are anywhere."}${status.routes.compromise ? ` Now: ${status.routes.compromise}.` : ""}${status.routes.why_not ? ` Now: ${status.routes.why_not}.` : ""}</p></section>
    <section class="card"><h2>Preferences</h2>${trouble && html`<p class="error" role="alert">${trouble}</p>`}
      ${settings && ["exit-location", "fallback-routing"].map((name) => row(name) && html`<${Field} key=${`${name} ${row(name).value}`} row=${row(name)} saved=${reload} />`)}</section>`;
}
