// Values of the status document, as people read them.
export const short = (key) => (key || "").slice(0, 8);
export const wallet = (text) => (text && text.length > 14 ? `${text.slice(0, 8)}…${text.slice(-4)}` : text || "none");

/** Wei as decimal text -> MASQ, with four digits that matter. */
export function masq(wei) {
  if (wei === null || wei === undefined) return "unknown";
  const number = Number(wei) / 1e18;
  if (!number) return "0 MASQ";
  const size = Math.abs(number);
  // Three digits that matter, and never an exponent.
  const digits = size >= 1 ? 4 : Math.min(18, 2 - Math.floor(Math.log10(size)));
  return `${number.toFixed(digits).replace(/\.?0+$/, "")} MASQ`;
}

export function bytes(count) {
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (count < 1000) return `${count < 10 && unit !== "B" ? count.toFixed(1) : Math.round(count)} ${unit}`;
    count /= 1000;
  }
  return `${count.toFixed(1)} TB`;
}

export function time(seconds) {
  if (seconds === null || seconds === undefined) return "unknown";
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} days`;
}

const names = new Intl.DisplayNames(["en"], { type: "region" });
export function country(code) {
  if (!code || !/^[A-Z]{2}$/.test(code)) return "unknown";
  try {
    return names.of(code);
  } catch {
    return code;
  }
}
