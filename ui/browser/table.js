// A table of a page: text, numbers with bars, sparklines, links, filter and copy buttons. Data is only ever
// put in as text. Reports `filter` (keep or leave out a value).
// A cell, see ui/components/table.py:
//   {t text, n note, h href, bar 0..1, tone, spark [..], title, f {d dimension, v token}, c copied text}

import { isPlain, navigate } from "./navigate.js"
import { button, link, make, spark } from "./parts.js"
import { adopt, sheet } from "./styles.js"

const styles = await Promise.all(["parts.css", "table.css"].map(sheet))

function actions(cell, component) {
  const found = make("span", "actions")
  if (cell.f) {
    const send = excluded => component.setTriggerValue("filter", { ...cell.f, excluded, n: Date.now() })
    found.append(
      button("only", "+", `Only ${cell.f.say}`, () => send(false)),
      button("without", "−", `Without ${cell.f.say}`, () => send(true)),
    )
  }
  if (cell.c) {
    found.append(button("copy", "⧉", `Copy ${cell.c}`, shown => {
      navigator.clipboard.writeText(cell.c).then(
        () => { shown.textContent = "✓" },
        () => { shown.textContent = "✕" },
      )
      setTimeout(() => { shown.textContent = "⧉" }, 1500)
    }))
  }
  return found
}

function fill(td, cell, column, component) {
  if (cell === null || cell === undefined) return
  const given = typeof cell === "object" ? cell : { t: cell }
  if (given.title || String(given.t ?? "").length > 18) td.title = given.title ?? given.t
  if (given.bar !== undefined && given.bar !== null) {
    const bar = make("span", `bar ${given.tone ?? ""}`)
    bar.style.setProperty("--share", `${Math.max(0, Math.min(1, given.bar)) * 100}%`)
    td.append(bar)
  }
  if (given.spark) td.append(spark(given.spark, given.title))
  const line = make("span", `line ${given.tone ? `tone ${given.tone}` : ""}`)
  if (given.t !== undefined) {
    const text = given.h ? link(given.h, given.t) : make("span", "", given.t)
    text.classList.add("text")
    if (column.wrap) text.classList.add("wrap")
    line.append(text)
  }
  if (given.n) line.append(make("span", "note", given.n))
  if (given.f || given.c) line.append(actions(given, component))
  if (line.childNodes.length) td.append(line)
}

function head(columns, component) {
  const row = make("tr")
  for (const column of columns) {
    const th = make("th", column.className)
    th.scope = "col"
    if (column.hint) th.title = column.hint
    if (column.sort) {
      th.append(link(column.sort, column.title))
      if (column.sorted) { th.append(make("span", "sorted", " ▾")); th.setAttribute("aria-sort", "descending") }
    } else th.textContent = column.title
    row.append(th)
  }
  const found = make("thead")
  found.append(row)
  return found
}

function body(data, component) {
  const found = make("tbody")
  for (const row of data.rows) {
    const tr = make("tr", row.chosen ? "chosen" : "")
    row.cells.forEach((cell, i) => {
      const column = data.columns[i]
      const td = make("td", column.className)
      td.dataset.title = column.title
      fill(td, cell, column, component)
      tr.append(td)
    })
    if (row.h) {
      tr.classList.add("leads")
      tr.onclick = event => {
        if (event.target.closest("a, button") || String(getSelection())) return
        if (isPlain(event)) navigate(row.h)
        else globalThis.open(row.h, "_blank", "noopener")
      }
    }
    found.append(tr)
  }
  return found
}

export function mount(component) {
  const { data, parentElement } = component
  const root = parentElement.querySelector(".gw-table")
  adopt(root, styles)
  const scroll = root.querySelector(".scroll")?.scrollTop ?? 0
  const table = make("table")
  const caption = make("caption", "", data.label)
  for (const column of data.columns) {
    column.className = [column.kind, column.low ? "low" : "", column.spare ? "spare" : "", column.wide ? "wide" : ""].filter(Boolean).join(" ")
  }
  table.append(caption, head(data.columns, component), body(data, component))
  const frame = make("div", "scroll")
  if (data.height) frame.style.maxHeight = `${data.height}px`
  frame.append(table)
  root.replaceChildren(frame)
  frame.scrollTop = scroll
  return () => root.replaceChildren()
}
