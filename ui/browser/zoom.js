// What somebody has zoomed to. Plotly's uirevision forgets a zoom as soon as the figure's own range moves on,
// and with time it does at every refresh; so the zoom is kept here, as instants, until it is taken back.

import { clock, fromShown, toShown } from "./figures.js"
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
    const read = value => fromShown(typeof value === "number" ? value : Date.parse(`${String(value).replace(" ", "T")}Z`), zone)
    this.range = { from_ms: Math.floor(read(start)), to_ms: Math.ceil(read(end)) }
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
    if (this.range) layout.xaxis.range = [toShown(this.range.from_ms, zone), toShown(this.range.to_ms, zone)]
  }

  clear() {
    this.range = null
    this.button.hidden = true
  }
}
