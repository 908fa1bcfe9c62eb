import { isMainThread } from "node:worker_threads"

/**
 * Leaves the working folder when it has been removed since the start: Node.js cannot start a thread or a process in one
 * that is gone, and a thread that died would not be replaced. To be called before either.
 */
export function leaveGoneFolder(): void {
  // A thread has no folder of its own.
  if (!isMainThread) return
  try {
    // By its path, as it was when Node.js asked for it first: another folder may be in its place.
    process.chdir(process.cwd())
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === "ENOENT" || code === "ENOTDIR") process.chdir("/")
  }
}
