// The network as a picture: force-graph on a canvas, loaded when it is looked at, and drawn as plainly as the machine needs.
import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { pace, WORDS } from "./pace.js";

let library;
function load() {
  library ||= new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = "vendor/force-graph.js";
    script.onload = () => done(window.ForceGraph);
    script.onerror = () => failed(new Error("the drawing library could not be loaded"));
    document.head.append(script);
  });
  return library;
}

// Read once for each theme: asking the style for every Node of every frame costs more than drawing it.
const NAMES = ["accent", "good", "bad", "warn", "node", "card", "ink"];
const colors = {};
function readColors() {
  const style = getComputedStyle(document.documentElement);
  for (const name of NAMES) colors[name] = style.getPropertyValue(`--${name}`).trim();
}
const dark = matchMedia("(prefers-color-scheme: dark)");
const still = matchMedia("(prefers-reduced-motion: reduce)");

/** `nodes`: {id, label, kind, slow, r}; `links`: {source, target, own, busy}. Those that stay keep their places. */
export function Graph({ nodes, links, pick, label }) {
  const box = useRef(null);
  const graph = useRef(null);
  const shape = useRef("");
  const picked = useRef(pick);
  const [level, setLevel] = useState(0);
  const plain = useRef(0);
  picked.current = pick;
  const lower = (next) => {
    plain.current = next;
    setLevel(next);
    if (next > 1 && graph.current) graph.current.cooldownTicks(0);
    refresh(graph.current);
  };
  useEffect(() => {
    let gone = false;
    const fit = () => graph.current && box.current && graph.current.width(box.current.clientWidth).height(box.current.clientHeight);
    const themed = () => { readColors(); refresh(graph.current); };
    themed();
    dark.addEventListener("change", themed);
    load().then((ForceGraph) => {
      if (gone) return;
      const measured = pace((next) => lower(next));
      graph.current = ForceGraph()(box.current);
      settle(graph.current, nodes.length > 300, plain, picked);
      graph.current.onRenderFramePost(() => measured(performance.now()));
      fit();
      update();
      setTimeout(() => graph.current && graph.current.zoomToFit(200, 50), 900);
    }, (error) => { if (box.current) box.current.textContent = error.message; });
    const watch = new ResizeObserver(fit);
    watch.observe(box.current);
    return () => {
      gone = true;
      dark.removeEventListener("change", themed);
      watch.disconnect();
      if (graph.current) graph.current._destructor();
      graph.current = null;
    };
  }, []);
  const update = () => {
    if (!graph.current) return;
    const now = graph.current.graphData();
    const ends = (link) => `${link.source.id ?? link.source}>${link.target.id ?? link.target}`;
    const next = JSON.stringify([nodes.map((node) => node.id), links.map(ends)]);
    const there = new Map(now.nodes.map((node) => [node.id, node]));
    const lines = new Map(now.links.map((link) => [ends(link), link]));
    nodes.forEach((node) => there.has(node.id) && Object.assign(there.get(node.id), node));
    links.forEach((link) => {
      const line = lines.get(ends(link));
      if (line) Object.assign(line, { own: link.own, busy: link.busy, half: link.half });
    });
    if (next !== shape.current) {
      shape.current = next;
      graph.current.graphData({
        nodes: nodes.map((node) => there.get(node.id) || { ...node }),
        links: links.map((link) => lines.get(ends(link)) || { ...link }),
      });
    } else refresh(graph.current);
  };
  useEffect(update);
  return html`<div class="graph" ref=${box} role="img" aria-label=${label}></div>${WORDS[level] && html`<p class="quiet" role="status">${WORDS[level]}</p>`}`;
}

/** What stays as it is while a graph is looked at. */
function settle(graph, many, plain, picked) {
  graph
    .backgroundColor("rgba(0,0,0,0)")
    .nodeLabel(() => "")
    .nodeRelSize(5)
    .nodeCanvasObject((node, canvas, scale) => draw(node, canvas, scale, plain.current > 0))
    .nodePointerAreaPaint((node, paint, canvas) => {
      canvas.fillStyle = paint;
      canvas.beginPath();
      canvas.arc(node.x, node.y, node.r + 3, 0, 7);
      canvas.fill();
    })
    .linkColor((link) => (link.own ? colors.accent : link.half ? `${colors.node}44` : `${colors.node}88`))
    .linkWidth((link) => (link.own ? 3 : 1))
    .linkVisibility((link) => plain.current < 2 || link.own)
    .linkDirectionalParticles((link) => (link.busy && !still.matches && !plain.current ? 4 : 0))
    .linkDirectionalParticleWidth(4)
    .linkDirectionalParticleColor(() => colors.good)
    .linkDirectionalParticleSpeed(0.012)
    .warmupTicks(many ? 40 : 60)
    .cooldownTime(many ? 4000 : 6000)
    .onNodeClick((node) => picked.current && picked.current(node.id))
    .onEngineStop(() => !graph.fitted && ((graph.fitted = true), graph.zoomToFit(200, 40)));
  graph.d3Force("charge").strength(many ? -30 : -160);
}

/** Have it drawn again, with what is so now. */
function refresh(graph) {
  if (graph) graph.linkColor(graph.linkColor()).linkWidth(graph.linkWidth()).linkVisibility(graph.linkVisibility()).linkDirectionalParticles(graph.linkDirectionalParticles());
}

const FILL = { own: "accent", exit: "good", dead: "bad", banned: "bad", neighbor: "accent" };

function draw(node, canvas, scale, plainly) {
  canvas.beginPath();
  canvas.arc(node.x, node.y, node.r, 0, 7);
  canvas.fillStyle = colors[FILL[node.kind] || "node"];
  canvas.globalAlpha = node.kind === "neighbor" ? 0.65 : 1;
  canvas.fill();
  canvas.globalAlpha = 1;
  // Not by colour alone.
  if (node.kind === "dead" || node.kind === "banned") {
    canvas.strokeStyle = colors.card;
    canvas.lineWidth = 1.5;
    canvas.beginPath();
    canvas.moveTo(node.x - node.r / 2, node.y - node.r / 2);
    canvas.lineTo(node.x + node.r / 2, node.y + node.r / 2);
    canvas.moveTo(node.x + node.r / 2, node.y - node.r / 2);
    canvas.lineTo(node.x - node.r / 2, node.y + node.r / 2);
    canvas.stroke();
  }
  if (node.slow) {
    canvas.strokeStyle = colors.warn;
    canvas.lineWidth = 2;
    canvas.setLineDash([3, 2]);
    canvas.beginPath();
    canvas.arc(node.x, node.y, node.r + 2.5, 0, 7);
    canvas.stroke();
    canvas.setLineDash([]);
  }
  if (plainly ? node.kind === "own" : scale > 0.6 && (scale > 0.9 || node.kind)) {
    canvas.font = `${Math.max(3.5, 11 / scale)}px sans-serif`;
    canvas.textAlign = "center";
    canvas.fillStyle = colors.ink;
    canvas.fillText(node.label, node.x, node.y + node.r + 12 / scale);
  }
}

/** Steps of all routes, as "a>b" -> whether bytes moved over it of late. */
export function routesOf(streams, speeds) {
  const steps = new Map();
  for (const stream of streams || []) {
    const busy = ((speeds.get(stream.id) || {}).speed || 0) > 0;
    for (const way of [stream.route, stream.back]) {
      for (let at = 1; at < way.length; at++) {
        const step = [way[at - 1], way[at]].sort().join(">");
        steps.set(step, steps.get(step) || busy);
      }
    }
  }
  return steps;
}

/** Links of a status document's nodes, each once. */
export function linksOf(nodes, steps) {
  const links = [];
  const lists = nodes.map((node) => new Set(node.neighbors || []));
  nodes.forEach((node, at) => {
    for (const other of lists[at]) {
      const mutual = lists[other] && lists[other].has(at);
      if (!nodes[other] || (mutual && other < at)) continue;
      const [source, target] = [node.key, nodes[other].key].sort();
      const step = `${source}>${target}`;
      links.push({ source, target, half: !mutual, own: steps.has(step), busy: steps.get(step) || false });
    }
  });
  return links;
}
