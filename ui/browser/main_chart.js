// The main chart of Live: Plotly.react with uirevision, so that zoom and hidden series outlive every refresh.

import { PLOT_OPTIONS, finished, plotly, themeOf } from "./figures.js"
import { make, setText } from "./elements.js"
import { Hidden, Zoom } from "./kept.js"

const READ_MS = 4000 // somebody who moved the pointer over the chart so lately is reading it

export class MainChart {
  constructor(board) {
    this.board = board
    this.title = make("h2", "title")
    this.group = make("select", "group")
    this.group.setAttribute("aria-label", "Split by")
    this.group.onchange = () => board.tell("group", this.group.value)
    this.key = make("span", "key")
    this.held = make("span", "held", "held while you point at it")
    this.held.hidden = true
    this.hidden = new Hidden()
    this.zoom = new Zoom({
      className: "primary",
      onSpan: span => board.tell("span", span),
      redraw: () => { this.wanted ??= this.drawn; this.catchUp(true) },
    })
    this.plot = make("div", "plot")
    this.plot.setAttribute("role", "img")
    this.note = make("p", "note")
    this.note.hidden = true
    this.element = make("section", "chart", null,
      make("header", "", null, this.title, this.key, this.held, this.zoom.button, make("label", "", "by ", this.group)), this.plot, this.note)
    this.plot.addEventListener("pointermove", () => { this.pointedAt = performance.now() })
    this.plot.addEventListener("pointerleave", () => { this.pointedAt = null; this.catchUp() })
    this.timer = setInterval(() => this.catchUp(), 1000)
  }

  isRead() { return this.pointedAt && performance.now() - this.pointedAt < READ_MS }

  draw(full) {
    this.wanted = full
    this.drawHead(full)
    if (this.isRead() && this.drawn && this.drawn.group === full.group) this.held.hidden = false
    else this.catchUp(true)
  }

  drawHead(full) {
    setText(this.title, full.title)
    setText(this.key, full.key)
    const { groups } = this.board.data
    if (this.group.options.length !== groups.length) {
      this.group.replaceChildren(...groups.map(([value, text]) => Object.assign(make("option", "", text), { value })))
    }
    if (this.group.value !== full.group) this.group.value = full.group
    this.plot.setAttribute("aria-label", full.title)
  }

  async catchUp(isForced = false) {
    if (!this.wanted || this.isBusy || (!isForced && (this.held.hidden || this.isRead()))) return
    this.held.hidden = true
    this.isBusy = true
    try {
      while (this.wanted && !this.isGone) await this.drawNow()
    } catch (error) {
      this.note.hidden = false
      this.note.textContent = `The chart cannot be drawn: ${error.message.replace(/\.$/, "")}. Reload the page.`
    } finally {
      this.isBusy = false
    }
  }

  async drawNow() {
    const full = this.wanted
    this.wanted = null
    const { data } = this.board
    this.Plotly = await plotly(data.plotly, this.plot)
    const theme = themeOf(this.plot)
    const shown = finished(full.figure, { zone: data.zone, zoneLabel: data.zoneLabel, theme })
    this.hidden.apply(this.plot, shown.data)
    this.zoom.apply(full.figure, shown.layout, data.zone)
    await this.Plotly.react(this.plot, shown.data, shown.layout, PLOT_OPTIONS)
    this.drawn = full
    this.note.hidden = true
    if (this.listens) return
    this.listens = true
    this.plot.on("plotly_click", event => this.clicked(event))
    this.zoom.listen(this.plot, () => this.board.data.zone)
  }

  clicked(event) {
    const trace = this.drawn.figure.data[event.points?.[0]?.curveNumber]
    if (typeof trace?.meta !== "string" || trace.meta.startsWith("~")) return
    this.board.tell("filter", { dimension: this.drawn.group, token: trace.meta, excluded: false })
  }

  remove() {
    this.isGone = true
    clearInterval(this.timer)
    if (this.Plotly) this.Plotly.purge(this.plot)
  }
}
