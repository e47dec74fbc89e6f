// What the browser tells the server of its dialogs. Streamlit keeps the last of what is said while it is busy, so what
// has not been heard yet is said again with it.

const LOOK_MS = 500; // how often what is under way is asked after

export function say(root, what) {
  const last = root.unheard.at(-1)?.n ?? root.cell.now.heard;
  root.unheard.push({ n: last + 1, ...what });
  root.send(root.unheard);
  look(root);
}

// Whether the dialog is open or not.
export function look(root) {
  root.unheard = root.unheard.filter(({ n }) => n > root.cell.now.heard);
  if (!root.unheard.length && !["planning", "acting"].includes(root.cell.now.stage)) {
    clearInterval(root.looks);
    root.looks = null;
  } else {
    root.looks ??= setInterval(() => (root.isConnected ? root.send(root.unheard) : clearInterval(root.looks)), LOOK_MS);
  }
}
