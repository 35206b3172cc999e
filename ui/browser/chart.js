// One chart of a page: drawn with Plotly.react, so that zoom and hidden series outlive a refresh.
// Reports `point` (a click) and `span` (the zoomed time, when its button is pressed).

import { PLOT_OPTIONS, finished, fromShown, plotly, themeOf, clock } from "./figures.js"

const charts = new WeakMap()

class Chart {
  constructor(root) {
    this.root = root
    this.plot = Object.assign(document.createElement("div"), { className: "gw-plot" })
    this.button = Object.assign(document.createElement("button"), { type: "button", className: "gw-span", hidden: true })
    this.trouble = Object.assign(document.createElement("div"), { className: "gw-trouble", hidden: true })
    root.replaceChildren(this.plot, this.button, this.trouble)
    this.button.onclick = () => this.reportSpan()
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
    await this.Plotly.react(this.plot, figure.data, figure.layout, PLOT_OPTIONS)
    if (!this.listens) {
      this.listens = true
      this.plot.on("plotly_click", event => this.reportPoint(event))
      this.plot.on("plotly_relayout", change => this.offerSpan(change))
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

  offerSpan(change) {
    const { data } = this.component
    const start = change["xaxis.range[0]"]
    const end = change["xaxis.range[1]"]
    const isTime = data.spans && data.figure.layout.xaxis?.type === "date"
    if (change["xaxis.autorange"] || change["xaxis.range"]) this.button.hidden = true
    if (!isTime || start === undefined || end === undefined) return
    const read = value => fromShown(typeof value === "number" ? value : Date.parse(`${String(value).replace(" ", "T")}Z`), data.zone)
    this.span = { from_ms: Math.floor(read(start)), to_ms: Math.ceil(read(end)) }
    this.button.textContent = `Show ${clock(this.span.from_ms, data.zone, this.span.to_ms)} to ${clock(this.span.to_ms, data.zone, this.span.to_ms)} on this page`
    this.button.hidden = false
  }

  reportSpan() {
    this.button.hidden = true
    this.component.setTriggerValue("span", { ...this.span, n: Date.now() })
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
