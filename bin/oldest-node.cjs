"use strict"
// The oldest Node.js of each release line that the program accepts, because older ones have a known hole in what it
// does with them: docs/security.md lists the advisories. Plain old JavaScript, for the launcher.

/** By major version: the least [minor, patch]. A line that is not here is refused, unless it is newer than all. */
var oldest = { 24: [22, 3], 26: [13, 1] }

/** Whether `version`, like "24.22.3", is one that the program may run on. */
function isSafe(version) {
  var parts = version.split(".").map(Number)
  var least = oldest[parts[0]]
  if (least !== undefined) return parts[1] > least[0] || (parts[1] === least[0] && parts[2] >= least[1])
  return Object.keys(oldest).every(function (major) {
    return parts[0] > Number(major)
  })
}

/** The accepted versions in words. */
function accepted() {
  return Object.keys(oldest)
    .map(function (major) {
      return major + "." + oldest[major].join(".")
    })
    .join(" or ")
}

exports.isSafe = isSafe
exports.accepted = accepted
