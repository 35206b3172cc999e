// A row of numbers: what it is, how much, and what to know about it; a number may lead to its rows.

import { link, make, spark } from "./parts.js"
import { adopt, sheet } from "./styles.js"

const styles = await Promise.all(["parts.css", "numbers.css"].map(sheet))

function tile(number, component) {
  const found = make("div", `tile ${number.tone ?? ""}`)
  if (number.title) found.title = number.title
  const value = make("dd", "value")
  value.append(number.href ? link(number.href, number.value) : make("span", "", number.value))
  found.append(make("dt", "label", number.label), value)
  if (number.spark) {
    const drawn = make("dd", "drawn")
    drawn.append(spark(number.spark, number.title))
    found.append(drawn)
  }
  found.append(make("dd", "note", number.note ?? ""))
  return found
}

export function mount(component) {
  const { data, parentElement } = component
  const root = parentElement.querySelector(".gw-numbers")
  adopt(root, styles)
  const list = make("dl", "row")
  list.setAttribute("aria-label", data.label)
  list.append(...data.numbers.map(number => tile(number, component)))
  root.replaceChildren(list)
  return () => root.replaceChildren()
}
