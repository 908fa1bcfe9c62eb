/** The requests that are measured: what a browser sends, and the least there is. */

/** What a browser's request has behind Host. With that and the request line of /small it is 8 fields and 317 bytes. */
export const browserFields = [
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
  "Accept: text/html,application/xhtml+xml,*/*;q=0.8",
  "Accept-Language: en-US,en;q=0.5",
  "Accept-Encoding: gzip, deflate, br",
  "Cache-Control: no-cache",
  "DNT: 1",
  "Cookie: session=8f14e45fceea167a",
] as const
