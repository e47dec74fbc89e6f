// On a snapshot: says so before anything else, and how to get back.

import { element } from "./dom.js";
import { clock, zone } from "./format.js";
import { pageLink } from "./links.js";

export function snapshotLine({ problem, title, link, made_by: by, made_at: at, from, to, bundle }) {
  if (problem) return element("p", { class: "cn-failure", role: "status" }, problem, " ", backToLive("Show what is now"));
  const tz = zone(), moment = (ms) => clock(ms, tz, true).slice(0, 16);
  return element("p", { class: "cn-kept", role: "status" },
    element("strong", {}, bundle ? "Bundle" : "Snapshot"), " of ", pageLink(link, {}, title || "a page"),
    `, made ${moment(at)}${by ? ` by ${by}` : ""}. Times from ${moment(from)} to ${moment(to)} ${tz}. Nothing here changes any more. `,
    bundle ? null : backToLive("Back to live"));
}

function backToLive(label) {
  const url = new URL(location.href);
  url.searchParams.delete("snapshot");
  url.searchParams.delete("refresh"); // a snapshot's is off
  return element("a", { href: url.pathname + url.search, "data-focus": "back-to-live" }, label);
}
