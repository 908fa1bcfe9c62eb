/** The few ways in which the page touches its document. Data only ever becomes text, never markup. */

/** The one element below `root` that matches, of the expected kind. A page without it is a bug. */
export function part<T extends Element>(root: ParentNode, selector: string, kind: new () => T): T {
  const found = root.querySelector(selector)
  if (!(found instanceof kind)) throw new Error(`the page has no ${selector}`)
  return found
}

/** A fresh copy of the only element in a template. */
export function copyOf(templateId: string): HTMLElement {
  const { content } = part(document, `template#${templateId}`, HTMLTemplateElement)
  const copy = content.firstElementChild?.cloneNode(true)
  if (!(copy instanceof HTMLElement)) throw new Error(`the template ${templateId} is empty`)
  return copy
}

/** Sets a text, and leaves the document alone when it already says so. */
export function say(element: Element, text: string): void {
  if (element.firstChild?.nodeValue !== text) element.textContent = text
}

/** Sets an attribute, and leaves the document alone when it already has it. */
export function mark(element: Element, name: string, value: string): void {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value)
}

/** Sets a width as a share of the parent's, 0 to 1. */
export function widen(element: HTMLElement, share: number): void {
  const width = `${Math.round(share * 1e4) / 100}%`
  if (element.style.width !== width) element.style.width = width
}
