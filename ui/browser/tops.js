// The number row and the top lists. Both are changed in place, so that what is read or selected stays.

import { keyed, make, setAttribute, setText, spark, svg } from "./elements.js"

export class Tiles {
  constructor(board) {
    this.board = board
    this.element = make("section", "tiles")
    this.element.setAttribute("aria-label", "Numbers of this span")
  }

  draw(tiles) {
    keyed(this.element, tiles, tile => tile.key, () => this.create(), (element, tile) => this.update(element, tile))
  }

  create() {
    const parts = {
      label: make("div", "label"), value: make("div", "value"), spark: svg("spark"),
      change: make("div", "change"), note: make("div", "note"),
    }
    const line = make("div", "line", null, parts.value, parts.spark)
    const element = make("div", "tile", null, parts.label, line, parts.change, parts.note)
    element.parts = parts
    return element
  }

  update(element, tile) {
    const { label, value, spark: bars, change, note } = element.parts
    setText(label, tile.label)
    setText(value, tile.value)
    setAttribute(element, "data-known", tile.known)
    setAttribute(element, "title", tile.title)
    setText(change, tile.change)
    change.title = tile.change
    setText(note, this.board.sentence(tile.note))
    bars.style.visibility = tile.spark.some(v => v !== null) ? "" : "hidden"
    spark(bars, tile.spark)
  }
}

export class Tops {
  constructor(board) {
    this.board = board
    this.element = make("section", "tops")
  }

  draw(tops) {
    keyed(this.element, tops, top => top.dimension, () => this.create(), (element, top) => this.update(element, top))
  }

  create() {
    const parts = { title: make("h3"), count: make("span", "count"), list: make("ol"), rest: make("div", "rest") }
    const element = make("div", "top", null, make("header", "", null, parts.title, parts.count), parts.list, parts.rest)
    element.parts = parts
    return element
  }

  update(element, top) {
    const { title, count, list, rest } = element.parts
    setText(title, top.title)
    setText(count, top.distinct)
    count.title = `${top.distinct} different ones`
    setText(rest, top.rows.length ? (top.rest ? `and ${top.rest} by others` : "") : "none")
    keyed(list, top.rows, row => row.token, row => this.createRow(top.dimension, row), (line, row) => this.updateRow(line, row))
  }

  createRow(dimension, row) {
    const parts = { bar: make("span", "bar"), swatch: make("span", "swatch"), count: make("span", "number") }
    const name = row.can_filter ? this.board.name(dimension, row.token, row.label) : make("span", "name", row.label)
    const line = make("li", "", null, parts.bar, parts.swatch, name, parts.count)
    line.parts = { ...parts, name }
    return line
  }

  updateRow(line, row) {
    const { bar, swatch, count } = line.parts
    bar.style.width = `${Math.max(1, row.share * 100)}%`
    swatch.style.background = row.colour || "transparent"
    swatch.hidden = !row.colour
    setText(count, row.count)
    const parts = [`${row.count} violations`, row.probable && `${row.probable} of them probable`,
      row.requests && `of ${row.requests} requests`]
    line.title = parts.filter(Boolean).join(", ")
  }
}
