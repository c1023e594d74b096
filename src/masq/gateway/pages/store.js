// What is known of the Node now, what it was, and what has happened in between, in words.
import { useEffect, useState } from "./vendor/preact.js";
import { listen } from "./api.js";
import { masq, short } from "./text.js";

export const store = { status: null, state: "wait", lines: [], notes: [], history: [], speeds: new Map() };
const watchers = new Set();
const changed = () => watchers.forEach((watcher) => watcher({}));

/** The store, and to be drawn again whenever it changes. */
export function useStore() {
  const [, draw] = useState({});
  useEffect(() => {
    watchers.add(draw);
    return () => watchers.delete(draw);
  }, []);
  return store;
}

/** Something that happened. */
export function note(text, kind = "info") {
  store.notes = [{ text, kind, at: new Date() }, ...store.notes].slice(0, 50);
  changed();
}

function compare(old, now) {
  const keys = (list, key) => new Set((list || []).map((each) => each[key]));
  const [before, after] = [keys(old.neighbors, "key"), keys(now.neighbors, "key")];
  before.forEach((key) => after.has(key) || note(`Node ${short(key)} is gone: it is no neighbor any more`, "bad"));
  after.forEach((key) => before.has(key) || note(`Node ${short(key)} is a neighbor now`, "good"));
  const dead = keys(old.avoided, "node");
  (now.avoided || []).forEach((each) => dead.has(each.node) || note(`Node ${each.node} failed: ${each.reason}`, "bad"));
  const held = new Map((old.bans || []).map((each) => [each.who, each.banned]));
  (now.bans || []).forEach((each) => each.banned && !held.get(each.who) && note(`${each.who} is banned`, "bad"));
  const pending = keys(old.payments, "hash");
  (now.payments || []).forEach((each) => pending.has(each.hash) || note(`Paying ${masq(each.wei)} to ${short(each.wallet)}`));
  const paid = Number(now.paid_wei) - Number(old.paid_wei);
  if (paid > 0) note(`${masq(paid)} were paid, and confirmed`, "good");
  const earned = Number(now.earned_wei) - Number(old.earned_wei);
  if (earned > 0) note(`${masq(earned)} came in`, "good");
  if (old.verdict && now.verdict.works !== old.verdict.works) note(now.verdict.words, now.verdict.works ? "good" : "bad");
}

const sum = (list) => (list || []).reduce((total, each) => total + Math.max(0, Number(each.wei)), 0);

function measure(now) {
  const at = Date.now() / 1000;
  const speeds = new Map();
  (now.streams || []).forEach((stream) => {
    const total = stream.sent + stream.received;
    const last = store.speeds.get(stream.id);
    const speed = last && at > last.at ? Math.max(0, (total - last.total) / (at - last.at)) : 0;
    speeds.set(stream.id, { total, at, speed });
  });
  store.speeds = speeds;
  const point = [at, sum(now.payables) / 1e18, sum(now.receivables) / 1e18, Number(now.paid_wei) / 1e18, Number(now.earned_wei) / 1e18];
  store.history = [...store.history, point].slice(-1800);
}

export function start() {
  let first = true;
  listen(
    {
      // Who is heard from here on may be another one: a Node in place of its set-up.
      begin() {
        first = true;
      },
      status(members) {
        const old = store.status;
        if (old && old.setup && !members.setup && first) location.hash = "#/";
        store.status = first ? members : { ...old, ...members };
        first = false;
        if (old && old.pid === store.status.pid && store.status.neighbors) compare(old, store.status);
        if (store.status.neighbors) measure(store.status);
        changed();
      },
      log(line) {
        store.lines = [...store.lines, line].slice(-500);
        changed();
      },
    },
    (state) => {
      if (state === "gone" && store.state === "" && !(store.status && store.status.setup)) note("The Node does not answer any more", "bad");
      store.state = state;
      changed();
    },
  );
}
