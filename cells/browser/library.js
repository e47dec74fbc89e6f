// plotly.js, fetched and run once.

let loading;

export function plotly() {
  loading ??= new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = new URL("./plotly.js", import.meta.url).href;
    script.onload = () => done(quicker(window.Plotly));
    script.onerror = failed;
    document.head.append(script);
  });
  return loading;
}

// Which of a trace's attributes are arrays it asks of each trace anew, and looks through all there are: a fifth of a first
// drawing. It wants them for hovering and animations, which are ours or none.
function quicker(library) {
  library.PlotSchema.findArrayAttributes = (trace) => ["x", "y"].filter((name) => Array.isArray(trace[name]) || ArrayBuffer.isView(trace[name]));
  return library;
}
