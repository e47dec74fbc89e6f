// Queries that were run in this browser, the newest first. They are texts, kept by the browser and sent to nobody.

const KEY = "cn-explore", MOST = 50;

export function recall() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY));
    return Array.isArray(kept) ? kept.filter((text) => typeof text === "string").slice(0, MOST) : [];
  } catch {
    return []; // a browser may keep nothing
  }
}

// `texts`: null forgets all.
export function remember(texts) {
  try {
    if (texts === null) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, JSON.stringify([...new Set([...texts, ...recall()])].slice(0, MOST)));
  } catch {
    // full, or not allowed
  }
}
