/**
 * Field names whose meaning the balancer has to know, by number. Every protocol's reader of heads gives its fields
 * these numbers, so that nothing behind it compares names.
 */

/** Names whose meaning the balancer must know, by id. 0 is any other name. */
export const fields = {
  other: 0,
  connection: 1,
  "content-length": 2,
  "transfer-encoding": 3,
  host: 4,
  expect: 5,
  te: 6,
  trailer: 7,
  upgrade: 8,
  "keep-alive": 9,
  "proxy-connection": 10,
  "x-forwarded-for": 11,
  "x-forwarded-proto": 12,
  "x-forwarded-host": 13,
  "x-forwarded-port": 14,
  forwarded: 15,
  "x-request-id": 16,
  date: 17,
  "endpoint-load-metrics": 18,
  "endpoint-load-metrics-bin": 19,
  "linebacker-demand": 20,
  "x-linebacker-backend": 21,
  authorization: 22,
  cookie: 23,
  "max-forwards": 24,
  "proxy-authenticate": 25,
  "proxy-authorization": 26,
  via: 27,
  "content-type": 28,
  "x-real-ip": 29,
  "x-forwarded-ssl": 30,
  "retry-after": 31,
  "endpoint-load-metrics-format": 32,
  "x-forwarded-scheme": 33,
  "front-end-https": 34,
  "cdn-loop": 35,
  "www-authenticate": 36,
} as const

/** The first id for names that an operator adds (the resources' own header names in simulation mode). */
export const firstExtraField = 48
