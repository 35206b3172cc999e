// The few ways in which our pages make elements. Text from data only ever goes in as textContent.

/** An element with a class, a text, and children. */
export function make(tag, className = "", text = null, ...children) {
  const element = document.createElement(tag)
  if (className) element.className = className
  if (text !== null) element.textContent = text
  element.append(...children)
  return element
}

/** A button that says what it does. */
export function button(className, text, onclick, title = "") {
  const element = make("button", className, text)
  element.type = "button"
  element.onclick = onclick
  if (title) { element.title = title; element.setAttribute("aria-label", title) }
  return element
}

/** Change a text only when it differs, so that what somebody has selected stays selected. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text
}

export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name)
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value))
}

/** Make the children of `parent` those of `items`, in order, re-using an element whose key is known. */
export function keyed(parent, items, keyOf, create, update) {
  const known = parent.keyedChildren ?? new Map()
  const next = new Map()
  let place = parent.firstChild
  for (const item of items) {
    const key = keyOf(item)
    const element = known.get(key) ?? create(item)
    next.set(key, element)
    known.delete(key)
    update(element, item)
    if (element === place) place = place.nextSibling
    else parent.insertBefore(element, place)
  }
  for (const element of known.values()) element.remove()
  parent.keyedChildren = next
}

const SVG = "http://www.w3.org/2000/svg"

/** Little bars: null is a gap, zero a line, the last one unfinished. */
export function spark(svg, values) {
  const width = 84, height = 22, gap = 1
  const key = JSON.stringify(values)
  if (svg.dataset.key === key) return
  svg.dataset.key = key
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`)
  const most = Math.max(0, ...values.filter(v => v !== null))
  const step = width / Math.max(1, values.length)
  svg.replaceChildren(...values.flatMap((value, i) => {
    if (value === null) return []
    const tall = most ? Math.max(value ? 1.5 : 0.75, (value / most) * height) : 0.75
    const bar = document.createElementNS(SVG, "rect")
    const place = { x: i * step, y: height - tall, width: Math.max(1, step - gap), height: tall }
    for (const [name, number] of Object.entries(place)) bar.setAttribute(name, number.toFixed(2))
    if (i === values.length - 1) bar.setAttribute("class", "unfinished")
    return [bar]
  }))
}

export function svg(className) {
  const element = document.createElementNS(SVG, "svg")
  element.setAttribute("class", className)
  element.setAttribute("aria-hidden", "true")
  element.setAttribute("preserveAspectRatio", "none")
  return element
}
