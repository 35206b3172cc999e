// The line on top: how current everything is, from what really arrived, and whether the push itself works.

import { button, make, setAttribute, setText } from "./elements.js"
import { clock, length } from "./figures.js"

export class StatusStrip {
  constructor(board) {
    this.board = board
    this.icon = make("span", "icon", "\u25CB")
    this.word = make("strong", "word", "Connecting")
    this.state = make("span", "state", null, this.icon, " ", this.word)
    this.age = make("span", "age")
    this.streams = make("span", "streams")
    this.collector = make("span", "collector")
    this.alertWords = make("span", "alerts")
    this.push = make("span", "push")
    this.match = make("span", "matching")
    this.pause = button("plain", "Pause", () => board.setPaused(!board.isPaused), "Hold everything still (P)")
    this.element = make("header", "strip", null, this.state, this.age, this.streams, this.collector, this.alertWords, this.push,
      make("span", "space"), this.match, this.pause)
    this.element.setAttribute("role", "status")
    this.element.setAttribute("aria-live", "off")
  }

  feed(feed) { this.shownFeed = feed; this.draw() }

  connection({ isOpen, text }) {
    if (isOpen) this.lostAtMs = null
    else this.lostAtMs ??= this.board.nowMs()
    this.lostText = text
    this.draw()
  }

  alerts(attention) {
    setText(this.alertWords, (attention.critical ? "\u25B2 " : "") + attention.words)
    setAttribute(this.alertWords, "data-bad", attention.critical ? "yes" : null)
  }

  matching(text) { setText(this.match, text ?? "") }

  draw() {
    const { board } = this
    const feed = this.shownFeed
    const isLost = this.lostAtMs != null
    const trusted = Boolean(feed?.trusted) && !isLost
    setAttribute(board.root, "data-trusted", trusted || !feed || board.full?.past ? "yes" : "no")
    this.drawState(feed, isLost)
    setText(this.pause, board.isPaused ? "Resume" : "Pause")
    setAttribute(this.pause, "aria-pressed", board.isPaused)
    this.drawPush(isLost)
    if (!feed) return
    const isKnown = feed.streams_open !== null
    const isShort = isKnown && feed.streams_open < feed.streams
    const open = isKnown ? `${isShort ? "\u25B2 " : ""}${feed.streams_open} of ${feed.streams} streams open`
      : `${feed.streams} streams, not known whether open`
    setText(this.streams, feed.streams ? open : "")
    this.streams.title = feed.senders.map(s => this.sender(s)).join("\n")
    setAttribute(this.streams, "data-bad", isShort ? "yes" : null)
    setText(this.collector, this.collectorWords(feed))
  }

  drawState(feed, isLost) {
    const state = isLost ? "disconnected" : feed?.state ?? "waiting"
    setAttribute(this.state, "data-state", state)
    setText(this.icon, isLost ? "\u2715" : feed?.icon ?? "\u25CB")
    setText(this.word, isLost ? "Not connected" : feed?.word ?? "Connecting")
    this.state.title = feed?.why ?? ""
    if (!feed) return
    const { board } = this
    const age = feed.as_of_ms === null ? "nothing received yet" : `${length(board.nowMs() - feed.as_of_ms)} ago`
    const asOf = feed.as_of_ms !== null && (isLost || !feed.trusted)
      ? ` \u00b7 as of ${clock(feed.as_of_ms, board.data.zone, board.nowMs())}` : ""
    setText(this.age, age + asOf)
  }

  drawPush(isLost) {
    const { board } = this
    let text = ""
    if (isLost) text = `no word from the dashboard for ${length(board.nowMs() - this.lostAtMs)}: ${this.lostText}; trying again`
    else if (board.isPaused) text = `paused at ${clock(board.pausedAtMs, board.data.zone, board.nowMs())}`
    setText(this.push, text)
    setAttribute(this.push, "data-bad", isLost ? "yes" : null)
  }

  collectorWords(feed) {
    if (feed.collector === null) return "no collector"
    const since = length(this.board.nowMs() - feed.collector_since_ms)
    if (feed.collector === "silent") return `collector silent for ${since}`
    return feed.collector === "ok" ? `collector up for ${since}` : `collector ${feed.collector}`
  }

  sender(sender) {
    const state = sender.open === null ? "" : sender.open ? ", connected" : ", disconnected"
    const last = sender.last_ms === null ? "never" : `${length(this.board.nowMs() - sender.last_ms)} ago`
    return `${sender.name} (${sender.way}${state}): last heard ${last}`
  }
}
