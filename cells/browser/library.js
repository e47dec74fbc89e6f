// plotly.js, run once, in time that is otherwise lost: behind Streamlit's own module, which then goes on to look for its
// server and to wait for the page.

let loading;

export function plotly() {
  loading ??= new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = new URL("./plotly.js", import.meta.url).href;
    script.onload = () => done(window.Plotly);
    script.onerror = failed;
    document.head.append(script);
  });
  return loading;
}

plotly().catch(() => {}); // the plot that needs it says so
