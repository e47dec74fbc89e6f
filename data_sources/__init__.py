"""Asks one system each and answers in frames; knows no Streamlit and no Plotly."""
