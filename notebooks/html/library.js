// In a file plotly.js stands above all modules.

export const plotly = () => (window.Plotly ? Promise.resolve(window.Plotly) : Promise.reject(new Error("no plotly.js")));
