// Runs plotly.js in time that is otherwise lost: behind Streamlit's own module, which then goes on to look for its server
// and to wait for the page.

import { plotly } from "./library.js";

plotly().catch(() => {}); // the plot that needs it says so
