import { networkInterfaces } from "node:os"

const hasLoopback = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === "::1"),
)

/** Why tests of IPv6 are passed over on this machine, or false. */
export const noIpv6: string | false = hasLoopback ? false : "no ::1 here"
