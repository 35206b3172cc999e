// What Live says when it has no normal picture to show: six situations, never to be mistaken for each other.

import { button, make } from "./elements.js"

const ICONS = { quiet: "\u2713", blind: "\u2715", stale: "\u25B2", filtered: "\u2260", unheard: "?" }
const TITLES = {
  quiet: "Quiet", blind: "We cannot see", stale: "Not the present", filtered: "Nothing matches the filters",
  unheard: "Unknown",
}

export class Screens {
  constructor(board) {
    this.board = board
    this.banner = make("section", "screen")
    this.banner.setAttribute("role", "status")
    this.empty = make("section", "empty")
    this.banner.hidden = this.empty.hidden = true
  }

  draw(screen) {
    const isEmpty = screen.kind === "empty"
    this.empty.hidden = !isEmpty
    this.banner.hidden = isEmpty || screen.kind === "normal"
    this.banner.dataset.kind = screen.kind
    const key = JSON.stringify(screen)
    if (key === this.key) return
    this.key = key
    if (isEmpty) this.drawEmpty(screen)
    else if (screen.kind !== "normal") this.drawBanner(screen)
  }

  drawBanner(screen) {
    this.sentence = make("span", "sentence", this.board.sentence(screen.sentence))
    this.template = screen.sentence
    this.banner.replaceChildren(
      make("span", "icon", ICONS[screen.kind]), make("strong", "", TITLES[screen.kind]), this.sentence,
      ...(screen.remove ?? []).map(item => button("chip", `Remove ${item.text}`, () => this.board.tell("unfilter", item))),
    )
  }

  /** Sentences hold ages; they count on. */
  tick() {
    if (this.sentence && !this.banner.hidden) {
      const text = this.board.sentence(this.template)
      if (this.sentence.textContent !== text) this.sentence.textContent = text
    }
  }

  drawEmpty(screen) {
    this.sentence = null
    const snippet = make("pre", "", screen.snippet)
    const copy = button("plain", "Copy", () => copyOf(snippet, copy))
    const [first, ...others] = screen.steps
    this.empty.replaceChildren(
      make("h2", "", screen.title),
      make("ol", "", null,
        make("li", "", first, make("div", "snippet", null, snippet, copy)),
        ...others.map(step => make("li", "", step))),
      make("p", "", "No Kong at hand? "),
      button("primary", screen.play, () => this.board.tell("play", true)),
    )
  }
}

/** Copy a text; where the browser does not allow it (plain http from another machine), select it instead. */
async function copyOf(element, told) {
  try {
    await navigator.clipboard.writeText(element.textContent)
    told.textContent = "Copied"
  } catch {
    getSelection().selectAllChildren(element)
    told.textContent = "Selected: press Ctrl+C"
  }
  setTimeout(() => { told.textContent = "Copy" }, 2500)
}
