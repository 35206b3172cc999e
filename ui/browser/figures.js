// Plotly figures as ui/charts makes them: times in UTC milliseconds, theme colours by name, {zone} in titles.
// Here they get the shown zone, the theme's colours and fonts, and plotly.js itself.

import { adopt } from "./styles.js"

const QUARTER_MS = 900000 // no zone changes its offset within a quarter of an hour
const offsets = new Map()
const formats = new Map()

/** Milliseconds that a zone is ahead of UTC at an instant. */
export function offsetMs(atMs, zone) {
  if (zone === "UTC") return 0
  const quarter = Math.floor(atMs / QUARTER_MS)
  const key = `${zone}|${quarter}`
  if (!offsets.has(key)) {
    if (!formats.has(zone)) {
      formats.set(zone, new Intl.DateTimeFormat("en-GB", {
        timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric",
        hour: "numeric", minute: "numeric", second: "numeric",
      }))
    }
    const start = quarter * QUARTER_MS
    const part = Object.fromEntries(formats.get(zone).formatToParts(start).map(p => [p.type, Number(p.value)]))
    const local = Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second)
    if (offsets.size > 20000) offsets.clear()
    offsets.set(key, local - start)
  }
  return offsets.get(key)
}

const toShown = (atMs, zone) => atMs + offsetMs(atMs, zone)

/** What a date axis must be given so that it reads as the zone's time: Plotly takes bare numbers for local ones. */
export const axisTime = (atMs, zone) => new Date(toShown(atMs, zone)).toISOString().slice(0, 23).replace("T", " ")

/** The instant behind a date axis's own value. */
export const fromAxis = (value, zone) => fromShown(Date.parse(`${String(value).replace(" ", "T")}Z`), zone)

function fromShown(shownMs, zone) {
  const guess = shownMs - offsetMs(shownMs, zone)
  return shownMs - offsetMs(guess, zone)
}

const two = number => String(number).padStart(2, "0")

/** `14:02:41`, with the day before it when that is not today. */
export function clock(atMs, zone, nowMs, withMs = false) {
  const at = new Date(toShown(atMs, zone))
  const time = `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())}`
  const text = withMs ? `${time}.${String(at.getUTCMilliseconds()).padStart(3, "0")}` : time
  const day = at.toISOString().slice(0, 10)
  const today = new Date(toShown(nowMs ?? atMs, zone)).toISOString().slice(0, 10)
  return day === today ? text : `${day} ${text}`
}

/** `0.4 s`, `12 min`, `3 h`: how long. */
export function length(ms) {
  const s = Math.max(0, ms) / 1000
  if (s < 10) return `${s.toFixed(1)} s`
  if (s < 60) return `${Math.floor(s)} s`
  if (s < 3600) return `${Math.floor(s / 60)} min`
  if (s < 86400) return `${Math.floor(s / 3600)} h`
  return `${Math.floor(s / 86400)} d`
}

/** The colours and fonts of the running theme. */
export function themeOf(element) {
  const style = getComputedStyle(element)
  return name => style.getPropertyValue(name).trim()
}

function coloured(value, theme) {
  if (typeof value === "string") return value.startsWith("--st-") ? theme(value) || "#888888" : value
  if (Array.isArray(value)) {
    return value.some(v => v !== null && typeof v !== "number") ? value.map(v => coloured(v, theme)) : value
  }
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, coloured(v, theme)]))
  }
  return value
}

const axisKey = id => (id ?? "x").replace(/^([xy])/, "$1axis")

function shiftedTrace(trace, layout, zone) {
  if (layout[axisKey(trace.xaxis)]?.type !== "date") return trace
  if (trace.x0 !== undefined) {
    const x = trace.y.map((_, i) => axisTime(trace.x0 + i * trace.dx, zone))
    const { x0, dx, ...rest } = trace
    return { ...rest, x }
  }
  return trace.x ? { ...trace, x: trace.x.map(at => (typeof at === "number" ? axisTime(at, zone) : at)) } : trace
}

function shiftedMark(mark, layout, zone) {
  if (layout[axisKey(mark.xref)]?.type !== "date") return mark
  const moved = { ...mark }
  for (const key of ["x", "x0", "x1"]) {
    if (typeof moved[key] === "number") moved[key] = axisTime(moved[key], zone)
  }
  return moved
}

function themedAxis(axis, theme, zone, zoneLabel) {
  const title = axis.title?.text?.replace("{zone}", zoneLabel)
  const small = { size: 12 }
  return {
    gridcolor: mixed(theme, 0.1), zerolinecolor: mixed(theme, 0.22), linecolor: mixed(theme, 0.22),
    automargin: false, ...axis,
    ...(axis.title ? { title: { font: small, ...axis.title, text: title } } : {}),
    ...(axis.type === "date" && axis.range ? { range: axis.range.map(at => axisTime(at, zone)) } : {}),
  }
}

/** The text colour, thin. */
export function mixed(theme, share) {
  const hex = theme("--st-text-color").replace("#", "")
  const at = i => parseInt(hex.slice(i, i + 2), 16) || 0
  return `rgba(${at(0)}, ${at(2)}, ${at(4)}, ${share})`
}

/** A figure ready for Plotly. */
export function finished(figure, { zone, zoneLabel, theme }) {
  const source = coloured(figure, theme)
  const layout = {}
  for (const [key, value] of Object.entries(source.layout)) {
    layout[key] = /^[xy]axis\d*$/.test(key) ? themedAxis(value, theme, zone, zoneLabel) : value
  }
  for (const key of ["shapes", "annotations"]) {
    if (source.layout[key]) layout[key] = source.layout[key].map(m => shiftedMark(m, source.layout, zone))
  }
  const font = { family: theme("--st-font"), size: 12, color: theme("--st-text-color") }
  Object.assign(layout, {
    autosize: true, font, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    hoverlabel: {
      bgcolor: theme("--st-secondary-background-color"), bordercolor: theme("--st-border-color"),
      font, namelength: -1, ...source.layout.hoverlabel,
    },
    legend: { font, itemsizing: "constant", bgcolor: "rgba(0,0,0,0)", ...source.layout.legend },
  })
  return { data: source.data.map(t => shiftedTrace(t, source.layout, zone)), layout }
}

let library
/** plotly.js, loaded once for the whole page, and its styles for the shadow root that `element` is in. */
export async function plotly(address, element) {
  library ??= new Promise((resolve, reject) => {
    if (globalThis.Plotly) { resolve(globalThis.Plotly); return }
    const script = document.createElement("script")
    script.src = new URL(address, location.origin)
    script.onload = () => resolve(globalThis.Plotly)
    script.onerror = () => { library = undefined; reject(new Error("plotly.js could not be loaded")) }
    document.head.append(script)
  })
  const found = await library
  styles ??= plotlyStyles()
  adopt(element, [styles])
  return found
}

let styles
/** Plotly writes its styles into the document's head, where a shadow root does not see them. */
function plotlyStyles() {
  const written = document.getElementById("plotly.js-style-global")
  const sheet = new CSSStyleSheet()
  sheet.replaceSync([...written.sheet.cssRules].map(rule => rule.cssText).join("\n"))
  return sheet
}

export const PLOT_OPTIONS = { displayModeBar: false, responsive: true, doubleClick: false, showTips: false }
