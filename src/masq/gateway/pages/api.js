// Asking the Node. The token comes in the URL's fragment, which no server is told, and stays in this tab.
const KEY = "masq-token";
const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) {
  sessionStorage.setItem(KEY, given);
  history.replaceState(null, "", "#/");
}
const token = () => sessionStorage.getItem(KEY) || "";
export const known = () => token() !== "";

/** Resolves to what is answered; an Error's message says what is wrong and what to do. */
export async function ask(method, path, body) {
  const headers = { Authorization: `Bearer ${token()}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Error("The Node does not answer: see that it runs, with `masq status`.");
  }
  const said = await answer.json().catch(() => ({ error: `it answered with status ${answer.status}` }));
  if (!answer.ok) throw new Error(said.error);
  return said;
}

/** Server-sent events, read with a header; comes again by itself. `state(text)` hears what is the matter. */
export async function listen(events, state) {
  for (let wait = 500; ; wait = Math.min(wait * 2, 8000)) {
    try {
      const answer = await fetch("/api/events", { headers: { Authorization: `Bearer ${token()}` } });
      if (answer.status === 401) return state("denied");
      if (!answer.ok) throw new Error((await answer.json()).error);
      state("");
      if (events.begin) events.begin();
      wait = 500;
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = ""; ; ) {
        const { value, done } = await reader.read();
        if (done) break;
        const parts = (rest + value).split("\n\n");
        rest = parts.pop();
        for (const part of parts) {
          const [, kind, data] = /^event: (\w+)\ndata: (.*)$/.exec(part) || [];
          if (kind && events[kind]) events[kind](JSON.parse(data));
        }
      }
    } catch (error) {
      if (!(error instanceof TypeError)) state(error.message);
    }
    state("gone");
    await new Promise((done) => setTimeout(done, wait));
  }
}
