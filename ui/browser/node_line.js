// The line of nodes: name, state and how long ago each was heard. The ages count on by themselves.

import { keyed, make, setAttribute, setText } from "./elements.js"
import { length } from "./figures.js"

export class NodeLine {
  constructor(board) {
    this.board = board
    this.list = make("span", "list")
    this.more = make("span", "more")
    this.element = make("section", "node-line", null, make("span", "label", "nodes"), this.list, this.more)
    this.element.hidden = true
  }

  draw(line) {
    this.line = line
    this.element.hidden = !line
    if (!line) return
    this.element.title = line.sentence
    keyed(this.list, line.nodes, node => node.token, node => this.create(node), (element, node) => this.update(element, node))
    setText(this.more, line.more ? `and ${line.more} more` : "")
  }

  create(node) {
    const parts = { state: make("span", "state-word"), age: make("span", "age-word") }
    const element = make("span", "node", null, parts.state, " ", this.board.name("node", node.token, node.name), " ", parts.age)
    element.parts = parts
    return element
  }

  update(element, node) {
    element.node = node
    setAttribute(element, "data-tone", node.tone || null)
    setText(element.parts.state, node.state)
    element.title = node.reason
    this.age(element)
  }

  age(element) {
    const { last_ms: last } = element.node
    setText(element.parts.age, last === null ? "never heard" : `${length(this.board.nowMs() - last)}`)
  }

  tick() { if (this.line) for (const element of this.list.children) this.age(element) }
}
