// What programs can ask, made of the OpenAPI document, with a place to try it.
import { html, useEffect, useState } from "./vendor/preact.js";
import { ask } from "./api.js";

function example(schema, all) {
  if (schema.$ref) return example(all[schema.$ref.split("/").pop()], all);
  if (schema.enum) return schema.enum[0];
  if (schema.type === "object") return Object.fromEntries(Object.entries(schema.properties || {}).map(([name, each]) => [name, example(each, all)]));
  return { integer: schema.minimum ?? 0, boolean: true, string: "" }[schema.type];
}

function One({ method, path, operation, all }) {
  const wanted = operation.requestBody && operation.requestBody.content["application/json"].schema;
  const [body, setBody] = useState(wanted ? JSON.stringify(example(wanted, all), null, 1) : "");
  const [answer, setAnswer] = useState("");
  const id = operation.operationId;
  const run = async () => {
    try {
      setAnswer(JSON.stringify(await ask(method, path, wanted ? JSON.parse(body) : undefined), null, 1).slice(0, 20000));
    } catch (error) {
      setAnswer(`error: ${error.message}`);
    }
  };
  return html`<details class="card"><summary><span class="tag">${method}</span> <code>${path}</code> ${operation.summary}</summary>
    ${wanted && html`<p><label for=${id}>Body</label><textarea id=${id} rows="5" style="width:100%" class="mono" value=${body} onInput=${(event) => setBody(event.target.value)}></textarea></p>`}
    ${path !== "/api/events" && html`<p><button onClick=${run}>Try it</button></p>`}
    ${answer && html`<pre class="log" style="height:auto;max-height:20rem" tabindex="0" role="status">${answer}</pre>`}</details>`;
}

export default function Try() {
  const [document_, setDocument] = useState(null);
  const [problem, setProblem] = useState("");
  useEffect(() => { ask("GET", "/openapi.json").then(setDocument, (error) => setProblem(error.message)); }, []);
  if (!document_) return html`<h1>API</h1><p class="quiet">${problem || "One moment."}</p>`;
  return html`<h1>API</h1><p class="quiet">For programs: send the token of the file <code>gateway-token</code> as <code>Authorization: Bearer …</code>. <a href="openapi.json">openapi.json</a> describes all of it. What you try here is done.</p>
    ${Object.entries(document_.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => html`<${One} key=${method + path} method=${method.toUpperCase()} path=${path} operation=${operation} all=${document_.components.schemas} />`))}`;
}
