// Drafts that were written in this browser: where a cell of a page can be sent to.

const KEY = "cn-drafts", MOST = 20;

export function recentDrafts() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? kept.filter((one) => typeof one?.draft === "string" && typeof one.title === "string") : [];
  } catch {
    return []; // private windows have no storage
  }
}

export function remember(draft, title, cells) {
  if (draft) keep([{ draft, title, cells, at: Date.now() }, ...recentDrafts().filter((one) => one.draft !== draft)]);
}

export const forget = (draft) => keep(recentDrafts().filter((one) => one.draft !== draft));

function keep(drafts) {
  try {
    localStorage.setItem(KEY, JSON.stringify(drafts.slice(0, MOST)));
  } catch {
    // The draft itself is on the server.
  }
}
