// The Live page: one board that the server pushes to. See ui/server/live_route.py for the messages.
// Reports to its page: `filter`, `unfilter`, `group`, `span`, `play`, `ticket`.

import { Attention } from "./attention.js"
import { Connection } from "./connection.js"
import { MainChart } from "./main_chart.js"
import { Screens } from "./screens.js"
import { StatusStrip } from "./status_strip.js"
import { NodeLine } from "./node_line.js"
import { Tail } from "./tail.js"
import { Tiles, Tops } from "./tops.js"
import { button, make } from "./elements.js"
import { clock, length } from "./figures.js"
import { isPlain, navigate } from "./navigate.js"
import { adopt, sheet } from "./styles.js"

const style = await sheet("board.css")
const PLACEHOLDER = /\{(at|ago):(\d+)\}/g

class Board {
  constructor(root) {
    this.root = root
    this.isPaused = false
    this.offsetMs = 0
    this.strip = new StatusStrip(this)
    this.attention = new Attention(this)
    this.screens = new Screens(this)
    this.tiles = new Tiles(this)
    this.chart = new MainChart(this)
    this.tops = new Tops(this)
    this.nodes = new NodeLine(this)
    this.tail = new Tail(this)
    this.trouble = make("section", "trouble")
    this.trouble.setAttribute("role", "alert")
    this.trouble.hidden = true
    this.content = make("div", "content", null, this.tiles.element,
      make("div", "middle", null, this.chart.element, this.tops.element), this.nodes.element, this.tail.element)
    this.content.hidden = true
    this.actions = this.makeActions()
    adopt(root, [style])
    root.hidden = false
    root.replaceChildren(this.strip.element, this.trouble, this.attention.element, this.screens.banner, this.screens.empty, this.content)
    this.timer = setInterval(() => this.tick(), 1000)
    this.fit = () => this.fitHeight()
    addEventListener("resize", this.fit)
    this.press = event => this.pressed(event)
    document.addEventListener("keydown", this.press)
  }

  show(component) {
    const isOtherZone = this.data && this.data.zone !== component.data.zone
    const isOtherView = this.data && this.data.view !== component.data.view
    this.component = component
    this.data = component.data
    if (isOtherView) { this.tail.take({ whole: true, rows: [] }); this.setPaused(false) }
    if (isOtherZone) { this.tail.redrawTimes(); this.tick() }
    if (this.full) this.chart.draw(this.full)
    this.connection ??= new Connection({
      path: this.data.path,
      onMessage: message => this.take(message),
      onState: state => this.strip.connection(state),
      onRefused: () => this.tell("ticket", true),
    })
    this.connection.watch(this.data.ticket)
  }

  /** Tell the page; `n` makes the same thing told twice two things. */
  tell(what, value) { this.component.setTriggerValue(what, { value, n: Date.now() }) }

  /** The server's clock, which is what ages are measured by. */
  nowMs() { return Date.now() + this.offsetMs }

  take(message) {
    if (message.view && message.view !== this.data.view) return // of the view before, still on its way
    if (message.now_ms) this.offsetMs = message.now_ms - Date.now()
    if (message.t === "trouble") {
      this.trouble.hidden = false
      this.trouble.textContent = `\u2715 ${message.text}. What is shown may be old.`
      return
    }
    if (message.t === "full") this.trouble.hidden = true
    if (message.t === "fresh") this.strip.feed(message.feed)
    else if (message.t === "tail") this.tail.take(message)
    else if (message.t === "full") {
      this.strip.feed(message.feed)
      this.held = message
      if (!this.isPaused) this.draw(message)
    }
  }

  draw(full) {
    this.full = full
    this.root.dataset.ready = "true"
    this.content.hidden = full.screen.kind === "empty"
    this.attention.draw(full.attention)
    this.strip.alerts(full.attention)
    this.screens.draw(full.screen)
    if (this.content.hidden) return
    this.tiles.draw(full.tiles)
    this.tops.draw(full.tops)
    this.nodes.draw(full.nodes)
    this.chart.draw(full)
    this.strip.matching(full.matching)
    this.fitHeight()
  }

  setPaused(isPaused) {
    this.isPaused = isPaused
    this.pausedAtMs = isPaused ? this.nowMs() : null
    this.strip.draw()
    if (!isPaused) {
      if (this.held && this.held !== this.full) this.draw(this.held)
      this.tail.releaseSoon()
    }
  }

  /** P pauses, unless somebody is writing. */
  pressed(event) {
    const isWriting = event.composedPath()[0]?.closest?.("input, textarea, select, [contenteditable]")
    if (event.key.toLowerCase() !== "p" || isWriting || event.ctrlKey || event.metaKey || event.altKey) return
    this.setPaused(!this.isPaused)
  }

  tick() {
    this.strip.draw()
    this.screens.tick()
    this.nodes.tick()
    this.attention.tick()
  }

  /** Sentences carry instants and ages as `{at:MS}` and `{ago:MS}`. */
  sentence(text) {
    return text.replace(PLACEHOLDER, (_, what, ms) => (what === "at"
      ? clock(Number(ms), this.data.zone, this.nowMs()) : `${length(this.nowMs() - Number(ms))} ago`))
  }

  /** The tail takes what room is left in the window, so that the page need not be scrolled. */
  fitHeight() {
    const top = this.tail.element.getBoundingClientRect().top + scrollY
    const room = Math.floor(innerHeight - top - 14)
    this.tail.element.style.height = `${Math.max(170, room)}px`
  }

  /** A name that leads to its page, with ways to filter by it beside it while it is pointed at. */
  name(dimension, token, label) {
    const prefix = this.data.drill[dimension]
    const name = make(prefix ? "a" : "span", "name", label)
    name.title = label
    if (prefix) {
      name.href = prefix + encodeURIComponent(token)
      name.onclick = event => {
        if (!isPlain(event)) return
        event.preventDefault()
        navigate(name.href)
      }
    }
    const holder = make("span", "holder", null, name)
    const offer = () => { if (this.actions.parentElement !== holder) this.offer(holder, dimension, token) }
    holder.onmouseenter = offer
    holder.addEventListener("focusin", offer)
    holder.onmouseleave = () => { if (!holder.contains(holder.getRootNode().activeElement)) this.actions.remove() }
    return holder
  }

  makeActions() {
    const keep = button("act", "+", () => this.filter(false), "Show only this")
    const drop = button("act", "\u2212", () => this.filter(true), "Leave this out")
    return make("span", "actions", null, keep, drop)
  }

  offer(holder, dimension, token) {
    this.offered = { dimension, token }
    holder.append(this.actions)
  }

  filter(excluded) {
    this.actions.remove()
    this.tell("filter", { ...this.offered, excluded })
  }

  eventLink(seq) {
    const link = this.pageLink("event", seq, "\u203A")
    link?.setAttribute("aria-label", "Show this event")
    return link
  }

  /** A link to the page of an event or of an alert; null where there is no such page. */
  pageLink(kind, id, text) {
    const prefix = this.data.drill[kind]
    if (!prefix) return null
    const link = make("a", "go", text)
    link.href = prefix + id
    link.title = `Show this ${kind}`
    link.onclick = event => {
      if (!isPlain(event)) return
      event.preventDefault()
      navigate(link.href)
    }
    return link
  }

  remove() {
    clearInterval(this.timer)
    removeEventListener("resize", this.fit)
    document.removeEventListener("keydown", this.press)
    this.connection?.end()
    this.chart.remove()
    this.root.board = null
  }
}

export function mount(component) {
  const root = component.parentElement.querySelector(".gw-board")
  if (root.board && !(root.board instanceof Board)) root.board.remove() // of the version before
  root.board ??= new Board(root)
  root.board.show(component)
  return () => root.board?.remove()
}
