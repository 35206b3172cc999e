// The freshness line of a page: counts on by itself, and asks for a new run while somebody looks.

import { clock, length } from "./figures.js"

const lines = new WeakMap()
const PAUSE_KEY = "gatewatch-paused"

class Line {
  constructor(root) {
    this.root = root
    const span = name => Object.assign(document.createElement("span"), { className: name })
    this.state = span("state")
    this.icon = span("icon")
    this.word = span("word")
    this.state.append(this.icon, " ", this.word)
    this.heard = span("heard")
    this.shown = span("shown")
    this.pause = Object.assign(document.createElement("button"), { type: "button" })
    this.refresh = Object.assign(document.createElement("button"), { type: "button", textContent: "Refresh" })
    root.replaceChildren(this.state, this.heard, this.shown, this.refresh, this.pause)
    this.paused = sessionStorage.getItem(PAUSE_KEY) === "1"
    this.refresh.onclick = () => this.ask()
    this.pause.onclick = () => {
      this.paused = !this.paused
      sessionStorage.setItem(PAUSE_KEY, this.paused ? "1" : "0")
      this.draw()
    }
    this.timer = setInterval(() => this.tick(), 1000)
  }

  show(component) {
    this.component = component
    this.ranAt = performance.now()
    this.draw()
  }

  tick() {
    const { data } = this.component
    const passed = performance.now() - this.ranAt
    if (data.everyMs && !this.paused && document.visibilityState === "visible" && passed >= data.everyMs) this.ask()
    this.draw()
  }

  ask() {
    this.ranAt = performance.now()
    this.component.setTriggerValue("refresh", Date.now())
  }

  draw() {
    const { data } = this.component
    const passed = performance.now() - this.ranAt
    this.state.dataset.state = data.state
    this.state.title = data.why
    this.icon.textContent = data.icon
    this.word.textContent = data.word
    this.heard.textContent = data.heardMs === null ? "nothing received yet"
      : `last heard ${length(data.nowMs + passed - data.heardMs)} ago`
    this.shown.textContent = `read at ${clock(data.nowMs, data.zone)} (${data.zoneLabel})`
    this.pause.textContent = this.paused ? "Resume" : "Pause"
    this.pause.hidden = !data.everyMs
  }

  remove() {
    clearInterval(this.timer)
    lines.delete(this.root)
  }
}

export function mount(component) {
  const root = component.parentElement.querySelector(".gw-fresh")
  if (!lines.has(root)) lines.set(root, new Line(root))
  const line = lines.get(root)
  line.show(component)
  return () => line.remove()
}
