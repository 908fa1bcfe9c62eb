"use strict"
// Runs before `npm start` and `npm test`, under whichever Node the machine has (18 or newer): installs the
// pinned dependencies, the pinned Node among them, when they are missing or the lock file has changed.
// Plain old JavaScript on purpose: it must run before the Node that can run TypeScript is there.
var childProcess = require("child_process")
var crypto = require("crypto")
var fs = require("fs")
var path = require("path")

var root = path.join(__dirname, "..")
var stampFile = path.join(root, "node_modules", ".linebacker-lock")

function lockHash() {
  return crypto
    .createHash("sha256")
    .update(fs.readFileSync(path.join(root, "package-lock.json")))
    .digest("hex")
}

function installedHash() {
  try {
    return fs.readFileSync(stampFile, "utf8")
  } catch (error) {
    return ""
  }
}

var wanted = lockHash()
if (installedHash() !== wanted) {
  process.stderr.write("linebacker: setting up (npm ci), once per checkout …\n")
  var result = childProcess.spawnSync("npm", ["ci", "--ignore-scripts", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
    shell: process.platform === "win32",
  })
  if (result.error) {
    process.stderr.write("linebacker: npm could not be started: " + result.error.message + "\n")
    process.exit(1)
  }
  if (result.status !== 0) {
    process.stderr.write(
      "linebacker: npm ci failed; its message is above. Is the package registry reachable?\n",
    )
    process.exit(result.status === null ? 1 : result.status)
  }
  fs.writeFileSync(stampFile, wanted)
}
