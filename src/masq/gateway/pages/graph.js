// The network as a picture: force-graph on a canvas, loaded when it is looked at.
import { html, useEffect, useRef } from "./vendor/preact.js";

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

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const still = matchMedia("(prefers-reduced-motion: reduce)");

/** `nodes`: {id, label, kind, r}; `links`: {source, target, own, busy}. Those that stay keep their places. */
export function Graph({ nodes, links, pick, label }) {
  const box = useRef(null);
  const graph = useRef(null);
  const shape = useRef("");
  const picked = useRef(pick);
  picked.current = pick;
  useEffect(() => {
    let gone = false;
    const fit = () => graph.current && box.current && graph.current.width(box.current.clientWidth).height(box.current.clientHeight);
    load().then((ForceGraph) => {
      if (gone) return;
      const many = nodes.length > 300;
      graph.current = ForceGraph()(box.current)
        .backgroundColor("rgba(0,0,0,0)")
        .nodeLabel(() => "")
        .nodeRelSize(5)
        .nodeCanvasObject((node, canvas, scale) => draw(node, canvas, scale))
        .nodePointerAreaPaint((node, paint, canvas) => {
          canvas.fillStyle = paint;
          canvas.beginPath();
          canvas.arc(node.x, node.y, node.r + 3, 0, 7);
          canvas.fill();
        })
        .linkColor((link) => (link.own ? color("accent") : link.half ? `${color("node")}44` : `${color("node")}88`))
        .linkWidth((link) => (link.own ? 3 : 1))
        .linkDirectionalParticles((link) => (link.busy && !still.matches ? 4 : 0))
        .linkDirectionalParticleWidth(4)
        .linkDirectionalParticleColor(() => color("good"))
        .linkDirectionalParticleSpeed(0.012)
        .warmupTicks(many ? 40 : 60)
        .cooldownTime(many ? 4000 : 6000)
        .onNodeClick((node) => picked.current && picked.current(node.id))
        .onEngineStop(() => graph.current && !graph.current.fitted && ((graph.current.fitted = true), graph.current.zoomToFit(200, 40)));
      graph.current.d3Force("charge").strength(many ? -30 : -160);
      fit();
      update();
      setTimeout(() => graph.current && graph.current.zoomToFit(200, 50), 900);
    }, (error) => { if (box.current) box.current.textContent = error.message; });
    const watch = new ResizeObserver(fit);
    watch.observe(box.current);
    return () => {
      gone = true;
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
    } else graph.current.linkColor(graph.current.linkColor()).linkWidth(graph.current.linkWidth()).linkDirectionalParticles(graph.current.linkDirectionalParticles());
  };
  useEffect(update);
  return html`<div class="graph" ref=${box} role="img" aria-label=${label}></div>`;
}

const FILL = { own: "accent", exit: "good", dead: "bad", banned: "bad", slow: "warn", neighbor: "accent" };

function draw(node, canvas, scale) {
  canvas.beginPath();
  canvas.arc(node.x, node.y, node.r, 0, 7);
  canvas.fillStyle = color(FILL[node.kind] || "node");
  canvas.globalAlpha = node.kind === "neighbor" ? 0.65 : 1;
  canvas.fill();
  canvas.globalAlpha = 1;
  if (node.kind === "dead" || node.kind === "banned") {
    // Not by colour alone.
    canvas.strokeStyle = color("card");
    canvas.lineWidth = 1.5;
    canvas.beginPath();
    canvas.moveTo(node.x - node.r / 2, node.y - node.r / 2);
    canvas.lineTo(node.x + node.r / 2, node.y + node.r / 2);
    canvas.moveTo(node.x + node.r / 2, node.y - node.r / 2);
    canvas.lineTo(node.x - node.r / 2, node.y + node.r / 2);
    canvas.stroke();
  }
  if (scale > 0.9 || node.kind) {
    canvas.font = `${Math.max(3.5, 11 / scale)}px sans-serif`;
    canvas.textAlign = "center";
    canvas.fillStyle = color("ink");
    if (scale > 0.6) canvas.fillText(node.label, node.x, node.y + node.r + 12 / scale);
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
