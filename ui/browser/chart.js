// One chart of a page: drawn with Plotly.react, so that zoom and hidden series outlive a refresh.
// Reports `point` (a click) and `span` (the zoomed time, when its button is pressed).

import { PLOT_OPTIONS, finished, plotly, themeOf } from "./figures.js"
import { make } from "./elements.js"
import { Hidden, Zoom } from "./kept.js"

const charts = new WeakMap()

class Chart {
  constructor(root) {
    this.root = root
    this.plot = make("div", "gw-plot")
    this.trouble = make("div", "gw-trouble")
    this.trouble.hidden = true
    this.hidden = new Hidden()
    this.zoom = new Zoom({
      className: "gw-span",
      onSpan: span => this.component.setTriggerValue("span", { ...span, n: Date.now() }),
      redraw: () => this.draw(this.component),
    })
    root.replaceChildren(this.plot, this.zoom.button, this.trouble)
  }

  async draw(component) {
    this.component = component
    const { data } = component
    this.plot.style.height = `${data.height}px`
    this.plot.setAttribute("role", "img")
    this.plot.setAttribute("aria-label", data.label)
    try {
      this.Plotly = await plotly(data.plotly, this.plot)
    } catch (error) {
      this.trouble.hidden = false
      this.trouble.textContent = `The chart cannot be drawn: ${error.message.replace(/\.$/, "")}. Reload the page.`
      return
    }
    if (this.gone || component !== this.component) return
    const theme = themeOf(this.root)
    const figure = finished(data.figure, { zone: data.zone, zoneLabel: data.zoneLabel, theme })
    this.hidden.apply(this.plot, figure.data)
    this.zoom.apply(data.figure, figure.layout, data.zone)
    await this.Plotly.react(this.plot, figure.data, figure.layout, PLOT_OPTIONS)
    if (!this.listens) {
      this.listens = true
      this.plot.on("plotly_click", event => this.reportPoint(event))
      if (data.spans) this.zoom.listen(this.plot, () => this.component.data.zone)
    }
  }

  reportPoint(event) {
    const { data, setTriggerValue } = this.component
    const point = event.points?.[0]
    if (!data.clickable || !point) return
    const trace = data.figure.data[point.curveNumber]
    const x = trace.x0 === undefined ? trace.x?.[point.pointNumber] : trace.x0 + point.pointNumber * trace.dx
    const plain = value => (["number", "string"].includes(typeof value) ? value : null)
    setTriggerValue("point", {
      trace: trace.name ?? "", token: plain(trace.meta), x: plain(x ?? point.x), y: plain(point.y),
      custom: trace.customdata?.[point.pointNumber] ?? null, n: Date.now(),
    })
  }

  remove() {
    this.gone = true
    if (this.Plotly) this.Plotly.purge(this.plot)
    charts.delete(this.root)
  }
}

export function mount(component) {
  const root = component.parentElement.querySelector(".gw-chart")
  if (!charts.has(root)) charts.set(root, new Chart(root))
  const chart = charts.get(root)
  chart.draw(component)
  return () => chart.remove()
}
