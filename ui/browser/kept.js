// What somebody has zoomed to and hidden. Plotly's uirevision forgets a zoom as soon as the figure's own range
// moves on, and a hidden series as soon as it is missing from one figure; over time both happen.

import { axisTime, clock, fromAxis } from "./figures.js"
import { button, setText } from "./elements.js"

export class Zoom {
  /** `onSpan({from_ms, to_ms})`: show that span on the whole page. `redraw()`: the zoom was taken back. */
  constructor({ className, onSpan, redraw }) {
    this.button = button(className, "", () => { this.clear(); onSpan(this.offered) })
    this.button.hidden = true
    this.redraw = redraw
  }

  listen(plot, zoneOf) {
    plot.on("plotly_relayout", change => this.changed(change, zoneOf()))
    plot.on("plotly_doubleclick", () => { this.clear(); this.redraw() })
  }

  changed(change, zone) {
    const [start, end] = [change["xaxis.range[0]"], change["xaxis.range[1]"]]
    if (start === undefined || end === undefined) return
    this.range = { from_ms: Math.floor(fromAxis(start, zone)), to_ms: Math.ceil(fromAxis(end, zone)) }
    this.offered = this.range
    setText(this.button, `Show ${clock(this.range.from_ms, zone, this.range.to_ms)} to ${clock(this.range.to_ms, zone)}`)
    this.button.hidden = false
  }

  /** Put the zoom into a layout that is about to be drawn; another chart, or a span that left it behind, ends it. */
  apply(figure, layout, zone) {
    const { xaxis, uirevision } = figure.layout
    if (xaxis?.type !== "date" || !xaxis.range) return
    const key = `${uirevision}:${xaxis.range[1] - xaxis.range[0]}`
    if (key !== this.key || this.range?.to_ms <= xaxis.range[0]) this.clear()
    this.key = key
    if (this.range) layout.xaxis.range = [axisTime(this.range.from_ms, zone), axisTime(this.range.to_ms, zone)]
  }

  clear() {
    this.range = null
    this.button.hidden = true
  }
}

/** The series that somebody has hidden in the legend, by their `uid`, also while they are not in the figure. */
export class Hidden {
  constructor() { this.uids = new Set() }

  /** Look what is hidden now, and hide the same in traces that are about to be drawn. */
  apply(plot, traces) {
    for (const trace of plot.data ?? []) {
      if (trace.uid && trace.visible === "legendonly") this.uids.add(trace.uid)
      else this.uids.delete(trace.uid)
    }
    for (const trace of traces) if (this.uids.has(trace.uid)) trace.visible = "legendonly"
  }
}
