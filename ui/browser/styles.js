// Styles of our parts: read once, shared by all of them, instead of being sent with every change.

/** A style sheet of this folder. */
export async function sheet(name) {
  const found = new CSSStyleSheet()
  const answer = await fetch(new URL(name, import.meta.url))
  if (!answer.ok) throw new Error(`${name} could not be loaded`)
  return found.replace(await answer.text())
}

/** Let a part's shadow root use them. */
export function adopt(element, styles) {
  const root = element.getRootNode()
  const missing = styles.filter(style => !root.adoptedStyleSheets.includes(style))
  if (missing.length) root.adoptedStyleSheets = [...root.adoptedStyleSheets, ...missing]
}
