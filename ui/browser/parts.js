// Small parts that tables and number rows are made of.

import { isPlain, navigate } from "./navigate.js"

const SVG = "http://www.w3.org/2000/svg"
const SPARK = { width: 96, height: 18 }

/** An element with a class and a text; the only way in which data gets onto the page. */
export const make = (tag, className, text) => {
  const found = document.createElement(tag)
  if (className) found.className = className
  if (text !== undefined && text !== null) found.textContent = text
  return found
}

/** Bars over time; null is unknown and pale in its whole height, zero is only the line they stand on. */
export function spark(values, title) {
  const known = values.filter(v => v !== null)
  const most = Math.max(1, ...known)
  const width = SPARK.width / Math.max(1, values.length)
  const svg = document.createElementNS(SVG, "svg")
  svg.setAttribute("viewBox", `0 0 ${SPARK.width} ${SPARK.height}`)
  svg.setAttribute("class", "spark")
  svg.setAttribute("preserveAspectRatio", "none")
  svg.setAttribute("role", "img")
  svg.setAttribute("aria-label", title ?? "")
  values.forEach((value, i) => {
    if (value === 0) return
    const bar = document.createElementNS(SVG, "rect")
    const height = value === null ? SPARK.height : Math.max(1.5, (value / most) * SPARK.height)
    bar.setAttribute("x", i * width)
    bar.setAttribute("y", SPARK.height - height)
    bar.setAttribute("width", width * 0.86)
    bar.setAttribute("height", height)
    if (value === null) bar.setAttribute("class", "unknown")
    svg.append(bar)
  })
  return svg
}

/** A link that stays inside the app for a plain click and opens elsewhere for any other. */
export function link(href, text) {
  const found = make("a", "", text)
  found.href = href
  found.onclick = event => {
    event.stopPropagation()
    if (isPlain(event)) { event.preventDefault(); navigate(href) }
  }
  return found
}

/** A button that is read aloud as its title. */
export function button(className, text, title, onclick) {
  const found = make("button", className, text)
  Object.assign(found, { type: "button", title })
  found.setAttribute("aria-label", title)
  found.onclick = event => { event.stopPropagation(); onclick(found) }
  return found
}
