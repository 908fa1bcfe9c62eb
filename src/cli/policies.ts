import { policyViews } from "../control/policy-desk.ts"
import type { PolicyView } from "../control/policy-view.ts"
import { aligned } from "../text/aligned.ts"
import { resourcesDefault } from "../core/resources.ts"
import { didYouMean } from "../text/suggest.ts"
import { policyDefault } from "../policies/index.ts"
import { type Command, UsageError } from "./command.ts"

export const policiesCommand: Command = {
  name: "policies",
  usage: "[NAME] [--json]",
  positionalsMax: 1,
  options: { json: { type: "boolean", about: "As JSON." } },
  async run({ values, positionals: [name] }, io) {
    const all = policyViews(resourcesDefault)
    const names = all.map((policy) => policy.name)
    if (name !== undefined && !names.includes(name)) {
      throw new UsageError(`there is no policy "${name}"${didYouMean(name, names)}`)
    }
    const shown = name === undefined ? all : all.filter((policy) => policy.name === name)
    if (values["json"] === true) {
      // What is unsuitable depends on the resources of a balancer, and here is none.
      const policies = shown.map((policy) => Object.assign(policy, { unsuitable: undefined }))
      io.out(`${JSON.stringify({ default: policyDefault, policies }, undefined, 2)}\n`)
    } else if (name === undefined) io.out(listOf(all))
    else io.out(wholeOf(shown[0]!))
    return 0
  },
}

function listOf(policies: readonly PolicyView[]): string {
  const rowsOf = (replicas: boolean): string[][] =>
    policies
      .filter(({ isReplica }) => isReplica === replicas)
      .map(({ name, summary }) => [name, `${summary}${name === policyDefault ? " The default." : ""}`])
  const [own, replicas] = [aligned(rowsOf(false), "sentences"), aligned(rowsOf(true), "sentences")]
  return `${own}\nReplicas of other programs and papers, to compare with:\n${replicas}`
}

function wholeOf({ name, summary, seesDemand, sticks, isReplica, parameters }: PolicyView): string {
  const lines = [
    `${name}: ${summary}`,
    seesDemand ? "It looks at what a request needs." : "It does not look at what a request needs.",
    ...(sticks ? ["It sends requests of one key to one backend (affinity)."] : []),
    ...(isReplica ? ["It is a replica of another program or paper, to compare with."] : []),
  ]
  for (const [key, { summary: about, default: usual, min, max }] of Object.entries(parameters)) {
    lines.push(`  ${key}  ${about} From ${min} to ${max}; ${usual} by default.`)
  }
  return `${lines.join("\n")}\n`
}
