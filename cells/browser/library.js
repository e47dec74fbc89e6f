// plotly.js, run once, in time that is otherwise lost: when Streamlit has asked the server for the page it waits for
// the answer, which takes about as long as the library takes to start.

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

function startWhenConnected() {
  if (!document.querySelector('[data-test-connection-state="CONNECTED"]')) return;
  connection.disconnect();
  setTimeout(() => plotly().catch(() => {})); // the plot that needs it says so
}

const connection = new MutationObserver(startWhenConnected);
connection.observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-test-connection-state"] });
startWhenConnected();
