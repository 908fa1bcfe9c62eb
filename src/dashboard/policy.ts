/** The change of the policy by a person who has the token. The page keeps neither; it asks the API as curl would. */

import { part, say } from "./dom.ts"

interface PolicyList {
  readonly current: string
  readonly policies: readonly {
    readonly name: string
    readonly summary: string
    readonly isReplica: boolean
    readonly unsuitable?: string
  }[]
}

/** Readies the panel: it asks for the policies when it is opened for the first time. */
export function preparePolicyPanel(panel: HTMLDetailsElement): void {
  const select = part(panel, "select", HTMLSelectElement)
  const token = part(panel, "input", HTMLInputElement)
  const button = part(panel, "button", HTMLButtonElement)
  const words = part(panel, ".policy-words", HTMLElement)
  const summaries = new Map<string, string>()
  const ready = (): void => {
    button.disabled = token.value === "" || select.value === ""
    say(words, summaries.get(select.value) ?? "")
  }
  panel.addEventListener("toggle", () => {
    if (!panel.open || summaries.size > 0) return
    void fillIn(select, summaries).then(ready, () => say(words, "The list of policies could not be loaded."))
  })
  select.addEventListener("change", ready)
  token.addEventListener("input", ready)
  part(panel, "form", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault()
    void change(select.value, token, words)
  })
  ready()
}

async function fillIn(select: HTMLSelectElement, summaries: Map<string, string>): Promise<void> {
  const response = await fetch("api/v1/policies")
  const { current, policies } = (await response.json()) as PolicyList
  const replicas = document.createElement("optgroup")
  replicas.label = "Replicas, to compare with"
  for (const { name, summary, isReplica, unsuitable } of policies) {
    if (unsuitable !== undefined) continue
    summaries.set(name, summary)
    const menu = isReplica ? replicas : select
    menu.append(new Option(name, name, false, name === current))
  }
  appendWhenAsked(select, replicas)
}

/** The replicas stand in the menu when they are asked for, or when one of them is the present policy. */
function appendWhenAsked(select: HTMLSelectElement, replicas: HTMLOptGroupElement): void {
  if (replicas.querySelector(":checked") !== null) return select.append(replicas)
  const more = new Option("Replicas of other programs …", "")
  if (replicas.childElementCount > 0) select.append(more)
  select.addEventListener("change", () => {
    if (!more.selected) return
    more.replaceWith(replicas)
    select.selectedIndex = -1
  })
}

async function change(name: string, token: HTMLInputElement, words: HTMLElement): Promise<void> {
  say(words, "Asking…")
  try {
    const response = await fetch("api/v1/policy", {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${token.value}` },
      body: JSON.stringify({ name }),
    })
    const body = (await response.json()) as { readonly error?: { readonly message: string } }
    say(words, response.ok ? `The policy is ${name} now.` : (body.error?.message ?? "It was refused."))
  } catch {
    say(words, "The balancer did not respond.")
  }
}
