"""The dashboard's entry: `testbed dashboard` starts it. Three pages, nothing else."""

import streamlit as st

from dashboards.language import words
from dashboards.layout import language

# Drawn here: Streamlit would fetch a named symbol from the internet.
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="32" height="32" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" '
    'fill="#0072B2"/><path d="M6 22h5v-6h5v-6h5v-4h5" fill="none" stroke="#fff" stroke-width="3"/>'
    '<circle cx="26" cy="6" r="3" fill="#fff"/></svg>'
)

say = words(language())
st.set_page_config(page_title=say("app_title"), page_icon=ICON, layout="wide")
st.set_option("client.toolbarMode", "viewer")
st.navigation(
    [
        st.Page("pages/pilots.py", title=say("nav_pilots"), icon=":material/science:", url_path="pilots", default=True),
        st.Page("pages/city.py", title=say("nav_city"), icon=":material/table_view:", url_path="city"),
        st.Page("pages/vendors.py", title=say("nav_vendors"), icon=":material/leaderboard:", url_path="vendors"),
    ],
    position="top",
).run()
