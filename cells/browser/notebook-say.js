// What the browser tells the server of a notebook, all of it in one order. Streamlit keeps the last of what is said while
// it is busy, so what has not been heard yet is said again with it.

const AGAIN_MS = 1500;
const channel = { send: null, heard: 0, unheard: [], timer: null };

// The server has heard the messages up to number `heard`, and listens by `send`.
export function listens(heard, send) {
  Object.assign(channel, { send, heard, unheard: channel.unheard.filter(({ n }) => n > heard) });
  repeat();
}

// The number of the message.
export function say(what) {
  const n = (channel.unheard.at(-1)?.n ?? channel.heard) + 1;
  channel.unheard.push({ n, ...what });
  channel.send?.(channel.unheard);
  repeat();
  return n;
}

function repeat() {
  if (!channel.unheard.length) {
    clearInterval(channel.timer);
    channel.timer = null;
  } else {
    channel.timer ??= setInterval(() => channel.send?.(channel.unheard), AGAIN_MS);
  }
}
