/** What is looked for in a TLS ClientHello without taking it apart. */

const recordHeaderBytes = 5
const handshakeRecord = 22

/**
 * Whether the bytes from a client hold its whole first record, which holds the ClientHello of all but the strangest
 * (RFC 8446 5.1), or never will because they are no handshake. More is not worth waiting for.
 */
export function holdsFirstRecord(bytes: Buffer): boolean {
  if (bytes.length > 0 && bytes[0] !== handshakeRecord) return true
  return bytes.length >= recordHeaderBytes && bytes.length >= recordHeaderBytes + bytes.readUInt16BE(3)
}

/**
 * Whether a ticket made with the key is among the bytes. Tickets travel in the clear behind the name of their key
 * (RFC 5077 4), 16 bytes of chance, in the session_ticket extension of TLS 1.2 and as an identity of a pre-shared
 * key in 1.3. A false yes costs the client a full handshake.
 */
export function offersTicketOf(bytes: Buffer, key: Uint8Array): boolean {
  return bytes.includes(Buffer.from(key.subarray(0, 16)))
}
