// The newest violations. Rows hold still while somebody reads them; what came meanwhile waits behind a pill.

import { clock } from "./figures.js"
import { button, make, setText } from "./elements.js"

const MOST_ROWS = 200
const COLUMNS = [
  ["time", "time"], ["consumer", "consumer"], ["ip", "address"], ["service", "service"], ["route", "route"],
  ["limit", "limit"], ["status", "status"], ["certainty", "certainty"],
]

export class Tail {
  constructor(board) {
    this.board = board
    this.rows = []
    this.waiting = []
    this.pill = button("pill", "", () => this.release(true))
    this.pill.hidden = true
    this.head = make("tr")
    for (const [key, title] of COLUMNS) {
      const cell = make("th", key, title)
      cell.scope = "col"
      this.head.append(cell)
    }
    this.head.append(make("th", "open", ""))
    this.body = make("tbody")
    this.table = make("table", "tail", null, make("thead", "", null, this.head), this.body)
    this.scroller = make("div", "scroller", null, this.table)
    this.scroller.tabIndex = 0
    this.scroller.setAttribute("aria-label", "Newest violations")
    this.none = make("p", "none", "No violation was received in this span.")
    this.element = make("section", "tail-part", null, this.scroller, this.none, this.pill)
    this.element.onmouseenter = () => { this.isRead = true }
    this.element.onmouseleave = () => { this.isRead = false; this.releaseSoon() }
    this.scroller.addEventListener("focusin", () => { this.hasFocus = true })
    this.scroller.addEventListener("focusout", () => { this.hasFocus = false; this.releaseSoon() })
    this.scroller.onscroll = () => this.releaseSoon()
  }

  isHeld() {
    return this.board.isPaused || this.isRead || this.hasFocus || this.scroller.scrollTop > 4
  }

  take(message) {
    if (message.whole) {
      const known = new Set([...this.rows, ...this.waiting].map(row => row.seq))
      const isContinued = message.rows.some(row => known.has(row.seq))
      if (!isContinued || !known.size) {
        this.waiting = []
        this.rows = message.rows
        this.drawAll()
        return
      }
      this.waiting = [...message.rows.filter(row => !known.has(row.seq)), ...this.waiting]
    } else {
      this.waiting = [...message.rows, ...this.waiting]
    }
    this.waiting.splice(MOST_ROWS * 5)
    if (this.isHeld()) this.tell()
    else this.release(false)
  }

  tell() {
    this.pill.hidden = !this.waiting.length
    const most = this.waiting.length >= MOST_ROWS * 5 ? "at least " : ""
    setText(this.pill, `${most}${this.waiting.length.toLocaleString("en")} new \u2191`)
  }

  releaseSoon() { if (!this.isHeld()) this.release(false) }

  release(isAsked) {
    if (isAsked) this.scroller.scrollTop = 0
    const news = this.waiting.slice(0, MOST_ROWS)
    this.waiting = []
    this.tell()
    if (!news.length) return
    this.rows = [...news, ...this.rows].slice(0, MOST_ROWS)
    this.body.prepend(...news.map(row => this.line(row, true)))
    while (this.body.children.length > MOST_ROWS) this.body.lastChild.remove()
    this.none.hidden = true
  }

  drawAll() {
    this.table.classList.remove("dated")
    this.sayZone()
    this.body.replaceChildren(...this.rows.map(row => this.line(row, false)))
    this.none.hidden = this.rows.length > 0
    this.tell()
  }

  line(row, isNew) {
    const { zone } = this.board.data
    const line = make("tr", isNew ? "new" : "")
    line.dataset.seq = row.seq
    const time = make("td", "time", clock(row.at_ms, zone, this.board.nowMs(), true))
    if (time.textContent.includes(" ")) this.table.classList.add("dated") // with its day it needs more room
    line.append(time)
    for (const key of ["consumer", "ip", "service", "route"]) line.append(this.cell(row, key))
    line.append(make("td", "limit", row.limit || "unknown"), make("td", "status", row.status === null ? "" : String(row.status)))
    const certainty = make("td", "certainty", row.certainty)
    if (row.evidence) certainty.title = row.evidence
    line.append(certainty)
    const open = make("td", "open")
    const link = this.board.eventLink(row.seq)
    if (link) open.append(link)
    line.append(open)
    return line
  }

  cell(row, key) {
    const cell = make("td", key)
    const value = row[key]
    if (value === null) cell.append(make("span", "unknown", key === "consumer" ? "no consumer" : "unknown"))
    else cell.append(this.board.name(key, row.tokens[key], value))
    return cell
  }

  /** Times without their zone are read in the reader's own. */
  sayZone() {
    const label = this.board.data.zoneLabel
    setText(this.head.firstChild, `time (${label.split(", ").at(-1)})`)
    this.head.firstChild.title = label
  }

  redrawTimes() { this.drawAll() }
}
