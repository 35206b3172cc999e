// What needs somebody now: the worst alerts in a sentence each. Their ages count on by themselves.

import { keyed, make, setAttribute, setText } from "./elements.js"
import { length } from "./figures.js"

export class Attention {
  constructor(board) {
    this.board = board
    this.list = make("div", "list")
    this.more = make("span", "more")
    this.element = make("section", "attention", null, this.list, this.more)
    this.element.setAttribute("aria-label", "Needs attention")
    this.element.hidden = true
  }

  draw(attention) {
    const rows = attention?.rows ?? []
    this.element.hidden = !rows.length
    keyed(this.list, rows, row => row.id, row => this.create(row), (element, row) => this.update(element, row))
    const { more } = attention ?? {}
    setText(this.more, more ? `and ${more} more open` : "")
  }

  create(row) {
    const parts = {
      icon: make("span", "icon"), word: make("strong", "word"), shape: make("span", "shape"),
      sentence: make("span", "sentence"), age: make("span", "age-word"),
    }
    const element = make("div", "alert", null, parts.icon, parts.word, parts.shape, parts.sentence, parts.age)
    const link = this.board.pageLink("alert", row.id, "Open \u203A")
    if (link) element.append(link)
    element.parts = parts
    return element
  }

  update(element, row) {
    element.row = row
    const { icon, word, shape, sentence } = element.parts
    setAttribute(element, "data-severity", row.severity)
    setText(icon, row.icon)
    setText(word, row.word)
    setText(shape, row.shape)
    setText(sentence, row.sentence)
    sentence.title = row.sentence
    this.age(element)
  }

  age(element) { setText(element.parts.age, `${length(this.board.nowMs() - element.row.opened_ms)} ago`) }

  tick() { for (const element of this.list.children) this.age(element) }
}
