// From one page to another without a reload.

/**
 * Show an address of the app without a reload, as its own links do: one entry in the history, and Streamlit 1.67
 * runs the page that the address names. (`st.switch_page` leaves a second entry behind, the old page with the
 * new page's parameters, so that Back goes astray.)
 */
export function navigate(href) {
  history.pushState(history.state, "", new URL(href, location.href))
  dispatchEvent(new PopStateEvent("popstate", { state: history.state }))
}

/** Whether a click asks for this tab, rather than for another one or a menu. */
export const isPlain = event => !(event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey)
