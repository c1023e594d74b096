// How fast a picture is drawn here, by its own frames, and how plainly it has to be drawn to be fast enough.
const WANTED = 30; // frames a second
const FRAMES = 20; // that are looked at together
const PAUSE = 1000; // ms: so long between two frames is a picture at rest, or a tab that nobody sees

/** What is said of each level of plainness. */
export const WORDS = [
  "",
  "Drawn plainly, without names and moving bytes: with them this machine draws fewer than 30 pictures a second. The table has the names.",
  "Drawn plainly and at rest, with your own routes alone: this machine draws fewer than 30 pictures a second of all links. The table has the rest.",
];

/** Takes the time of each frame in ms; `lower(level)` hears when it is to be drawn more plainly. */
export function pace(lower) {
  let [last, level, slow, gaps] = [0, 0, 0, []];
  return (now) => {
    const gap = now - last;
    last = now;
    if (gap > PAUSE || gap <= 0) return;
    gaps.push(gap);
    if (gaps.length < FRAMES) return;
    // The median: one long pause, as when the page is laid out, is no slow machine.
    const typical = gaps.sort((one, other) => one - other)[FRAMES / 2];
    gaps = [];
    slow = typical > (1000 / WANTED) * 1.1 ? slow + 1 : 0;
    // Twice in a row: something else may have been busy.
    if (slow < 2 || level === WORDS.length - 1) return;
    slow = 0;
    lower(++level);
  };
}
