// The push from the server: opens, watches for silence, opens again, and says in plain words how it is.

const SILENCE_MS = 6500 // the server says something every 2 s; three missed ones are a broken line
const FIRST_PAUSE_MS = 400
const LONGEST_PAUSE_MS = 8000
const STEADY_MS = 20000

const REASONS = {
  4400: "the server did not understand this page: reload it",
  4403: "the server does not accept this page's address",
  4429: "too many views are open on this dashboard",
}

export class Connection {
  /** `onMessage(message)`, `onState({ isOpen, text })`, `onRefused()` when a new ticket is needed. */
  constructor({ path, onMessage, onState, onRefused }) {
    Object.assign(this, { path, onMessage, onState, onRefused })
    this.failures = 0
    this.watchdog = setInterval(() => this.check(), 1000)
    this.wake = () => { if (document.visibilityState === "visible") this.hurry() }
    document.addEventListener("visibilitychange", this.wake)
    addEventListener("online", this.wake)
  }

  /** Watch what this ticket allows; over the open line when there is one. */
  watch(ticket) {
    const isNew = ticket !== this.ticket
    this.ticket = ticket
    if (this.socket?.readyState === WebSocket.OPEN) { if (isNew) this.ask() }
    else if (!this.socket) this.open()
  }

  ask() { this.socket.send(JSON.stringify({ t: "watch", ticket: this.ticket })) }

  open() {
    clearTimeout(this.timer)
    this.timer = null
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${this.path}`)
    this.socket = socket
    this.heardAt = performance.now()
    socket.onopen = () => { this.openedAt = performance.now(); this.ask() }
    socket.onmessage = event => {
      if (socket !== this.socket) return
      this.heardAt = performance.now()
      if (performance.now() - this.openedAt > STEADY_MS) this.failures = 0
      this.onState({ isOpen: true, text: "" })
      const message = JSON.parse(event.data)
      if (message.t === "ticket") this.ticket = message.ticket
      else this.onMessage(message)
    }
    socket.onclose = event => { if (socket === this.socket) this.closed(event.code) }
  }

  closed(code) {
    this.socket = null
    if (this.gone) return
    const why = REASONS[code] ?? "the dashboard's server does not answer"
    this.onState({ isOpen: false, text: why })
    if (code === 4401) this.onRefused() // again at each refusal: the page itself may be without its server still
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(this.failures, 8))
    this.failures += 1
    this.timer = setTimeout(() => this.open(), pause * (0.75 + Math.random() / 2))
  }

  check() {
    if (this.socket && performance.now() - this.heardAt > SILENCE_MS) {
      const silent = this.socket
      this.socket = null
      silent.onclose = null
      silent.close()
      this.closed(0)
    }
  }

  hurry() { if (!this.socket && this.timer) this.open() }

  end() {
    this.gone = true
    clearInterval(this.watchdog)
    clearTimeout(this.timer)
    document.removeEventListener("visibilitychange", this.wake)
    removeEventListener("online", this.wake)
    this.socket?.close()
  }
}
