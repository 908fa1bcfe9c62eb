// Hot path: once per request, before it is picked for. Nothing is allocated, no closure and no regular expression.
import { amountMax, resourcesMax, type ResourceTable, type ResourceVector } from "../core/resources.ts"
import { mix32, seeded } from "../core/rng.ts"

/** Simulated amounts are whole numbers from 1 to this. */
const simulatedAmountMax = 10

/**
 * Demand drawn by lot, for demonstrations: every resource uniform on the whole numbers from 1 to 10.
 *
 * The n-th request of a run gets amounts that depend on the seed, n and the resource's place in the table and on
 * nothing else, so threads that share one atomic counter give the same sequence whichever thread draws which number. It
 * repeats after 2^32 requests.
 *
 * Each resource hashes the counter under two keys of its own; one key would make all resources one sequence at
 * different offsets. Dividing 2^32 values among ten leaves a bias under one in 10^8.
 *
 * @see Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011, for generators that are a keyed
 * mixing of a counter.
 */
export class SimulatedDemand {
  readonly #offsets: Uint32Array
  readonly #masks: Uint32Array

  constructor(resources: ResourceTable, seed: number) {
    const keys = seeded(seed)
    this.#offsets = new Uint32Array(resources.length)
    this.#masks = new Uint32Array(resources.length)
    // In turns, so that a resource added to the end of the table leaves the amounts of the others as they were.
    for (let r = 0; r < resources.length; r++) {
      this.#offsets[r] = keys.below(2 ** 32)
      this.#masks[r] = keys.below(2 ** 32)
    }
  }

  /** Writes the demand of the n-th request, n a whole number, in the order of the table. */
  write(n: number, into: ResourceVector): void {
    for (let r = 0; r < this.#offsets.length; r++) {
      const drawn = mix32(mix32(n + this.#offsets[r]!) ^ this.#masks[r]!)
      into[r] = 1 + Math.floor((drawn * simulatedAmountMax) / 2 ** 32)
    }
  }
}

/**
 * Reads what a request declares of itself, the field `Linebacker-Demand: compute=3, storage=12.5`.
 *
 * The value is a Dictionary (RFC 9651, 3.2 and 4.2.2) whose members are Integers or Decimals (3.3.1, 3.3.2).
 * Parameters say nothing here. Keys that name no resource are skipped, whatever type they hold. Of a key given
 * twice the last one counts. Resources that are not named keep what `into` held; an empty value names none.
 *
 * False, and `into` is as it was, when the value is no Dictionary or when a resource's amount is not a number,
 * negative, or more than `amountMax`. RFC 9651, 4.2 wants a field that fails to parse ignored as a whole.
 *
 * Resources with a name that is no key (upper case, say) cannot be declared. O(length · resources).
 */
export function parseDeclaredDemand(value: string, resources: ResourceTable, into: ResourceVector): boolean {
  for (let r = 0; r < resources.length; r++) amounts[r] = into[r]!
  scanner.start(value)
  if (!readMembers(resources)) return false
  for (let r = 0; r < resources.length; r++) {
    if (Number.isNaN(amounts[r])) return false
  }
  for (let r = 0; r < resources.length; r++) into[r] = amounts[r]!
  return true
}

/** The amounts read so far, NaN for one that cannot be used: a later duplicate may still replace it. */
const amounts = new Float64Array(resourcesMax)

/** RFC 9651, 4.2.2, into `amounts`. */
function readMembers(resources: ResourceTable): boolean {
  scanner.skipSpaces()
  if (scanner.atEnd()) return true
  for (;;) {
    const keyStart = scanner.at
    if (!scanner.skipKey()) return false
    const keyEnd = scanner.at
    scanner.number = NaN
    if (scanner.take(equals) && !scanner.skipMember()) return false
    if (!scanner.skipParameters()) return false

    const index = indexOfResource(resources, scanner.text, keyStart, keyEnd)
    if (index >= 0) amounts[index] = usable(scanner.number, amountMax(resources[index]!))

    scanner.skipOptionalSpace()
    if (scanner.atEnd()) return true
    if (!scanner.take(comma)) return false
    scanner.skipOptionalSpace()
  }
}

function indexOfResource(resources: ResourceTable, text: string, start: number, end: number): number {
  for (let r = 0; r < resources.length; r++) {
    const name = resources[r]!.name
    if (name.length === end - start && text.startsWith(name, start)) return r
  }
  return -1
}

/** The amount, with -0 as 0, or NaN. */
function usable(amount: number, max: number): number {
  return amount >= 0 && amount <= max ? Math.abs(amount) : NaN
}

const tab = 0x09
const space = 0x20
const quote = 0x22
const percent = 0x25
const open = 0x28
const close = 0x29
const asterisk = 0x2a
const comma = 0x2c
const minus = 0x2d
const dot = 0x2e
const slash = 0x2f
const colon = 0x3a
const semicolon = 0x3b
const equals = 0x3d
const question = 0x3f
const at = 0x40
const backslash = 0x5c
const underscore = 0x5f

/** Digits of an Integer, of a Decimal's whole part, and of its fraction, at most (RFC 9651, 3.3.1 and 3.3.2). */
const integerDigitsMax = 15
const wholeDigitsMax = 12
const fractionDigitsMax = 3

/**
 * Walks over a structured field. Every `skip` moves past what it names and is false where that is malformed;
 * then the field as a whole is. At the end of the text `#peek` is NaN, which equals nothing.
 */
class FieldScanner {
  text = ""
  at = 0
  /** The last bare item when that was an Integer or a Decimal, else NaN. */
  number: number = NaN

  start(text: string): void {
    this.text = text
    this.at = 0
  }

  atEnd(): boolean {
    return this.at >= this.text.length
  }

  take(code: number): boolean {
    if (this.#peek() !== code) return false
    this.at++
    return true
  }

  skipSpaces(): void {
    while (this.#peek() === space) this.at++
  }

  /** OWS between members: spaces and tabs. */
  skipOptionalSpace(): void {
    while (this.#peek() === space || this.#peek() === tab) this.at++
  }

  /** RFC 9651, 4.2.3.3. */
  skipKey(): boolean {
    if (!isLower(this.#peek()) && this.#peek() !== asterisk) return false
    while (isKeyCode(this.#peek())) this.at++
    return true
  }

  /** RFC 9651, 4.2.1.1, without the parameters at its end. */
  skipMember(): boolean {
    return this.#peek() === open ? this.#skipInnerList() : this.#skipBareItem()
  }

  /** RFC 9651, 4.2.3.2. Leaves `number` alone. */
  skipParameters(): boolean {
    const number = this.number
    while (this.take(semicolon)) {
      this.skipSpaces()
      if (!this.skipKey()) return false
      if (this.take(equals) && !this.#skipBareItem()) return false
    }
    this.number = number
    return true
  }

  /** RFC 9651, 4.2.1.2. */
  #skipInnerList(): boolean {
    this.at++
    for (;;) {
      this.skipSpaces()
      if (this.take(close)) break
      if (!this.#skipBareItem() || !this.skipParameters()) return false
      if (this.#peek() !== space && this.#peek() !== close) return false
    }
    this.number = NaN
    return true
  }

  /** RFC 9651, 4.2.3.1. */
  #skipBareItem(): boolean {
    const code = this.#peek()
    this.number = NaN
    if (code === minus || isDigit(code)) return this.#readNumber()
    if (code === quote) return this.#skipString()
    if (code === asterisk || isAlpha(code)) return this.#skipToken()
    this.at++
    if (code === colon) return this.#skipBytes()
    if (code === question) return this.take(digit0) || this.take(digit0 + 1)
    if (code === at) return this.#skipDate()
    if (code === percent) return this.#skipDisplayString()
    return false
  }

  /** RFC 9651, 4.2.4. A Decimal is one whole number over a power of ten, both exact, so it is correctly rounded. */
  #readNumber(): boolean {
    const negative = this.take(minus)
    const start = this.at
    let digits = this.#readDigits(0)
    const whole = this.at - start
    if (whole === 0 || whole > integerDigitsMax) return false
    if (this.take(dot)) {
      const fractionStart = this.at
      digits = this.#readDigits(digits)
      const fraction = this.at - fractionStart
      if (whole > wholeDigitsMax || fraction === 0 || fraction > fractionDigitsMax) return false
      digits /= 10 ** fraction
    }
    this.number = negative ? -digits : digits
    return true
  }

  #readDigits(before: number): number {
    let digits = before
    for (; isDigit(this.#peek()); this.at++) digits = digits * 10 + (this.#peek() - digit0)
    return digits
  }

  /** RFC 9651, 4.2.9: an Integer. */
  #skipDate(): boolean {
    const start = this.at
    if (!this.#readNumber()) return false
    this.number = NaN
    for (let i = start; i < this.at; i++) {
      if (this.text.charCodeAt(i) === dot) return false
    }
    return true
  }

  /** RFC 9651, 4.2.5. */
  #skipString(): boolean {
    this.at++
    while (!this.atEnd()) {
      const code = this.#peek()
      this.at++
      if (code === quote) return true
      if (code === backslash) {
        if (!this.take(quote) && !this.take(backslash)) return false
      } else if (!isPrintable(code)) return false
    }
    return false
  }

  /** RFC 9651, 4.2.6. */
  #skipToken(): boolean {
    this.at++
    while (isTokenCode(this.#peek())) this.at++
    return true
  }

  /** RFC 9651, 4.2.7. */
  #skipBytes(): boolean {
    while (isBase64Code(this.#peek())) this.at++
    return this.take(colon)
  }

  /** RFC 9651, 4.2.10, except that the bytes are not checked for being UTF-8. */
  #skipDisplayString(): boolean {
    if (!this.take(quote)) return false
    while (!this.atEnd()) {
      const code = this.#peek()
      this.at++
      if (code === quote) return true
      if (!isPrintable(code)) return false
      if (code === percent && !(this.#takeHexDigit() && this.#takeHexDigit())) return false
    }
    return false
  }

  #takeHexDigit(): boolean {
    const code = this.#peek()
    if (!isDigit(code) && !(code >= 0x61 && code <= 0x66)) return false
    this.at++
    return true
  }

  #peek(): number {
    return this.text.charCodeAt(this.at)
  }
}

const digit0 = 0x30

function isDigit(code: number): boolean {
  return code >= digit0 && code <= 0x39
}

function isLower(code: number): boolean {
  return code >= 0x61 && code <= 0x7a
}

function isAlpha(code: number): boolean {
  return isLower(code) || (code >= 0x41 && code <= 0x5a)
}

function isPrintable(code: number): boolean {
  return code >= space && code <= 0x7e
}

function isKeyCode(code: number): boolean {
  return (
    isLower(code) ||
    isDigit(code) ||
    code === underscore ||
    code === minus ||
    code === dot ||
    code === asterisk
  )
}

function isBase64Code(code: number): boolean {
  return isAlpha(code) || isDigit(code) || code === 0x2b || code === slash || code === equals
}

/** The characters of an HTTP token, which are the visible ones without delimiters, and ":" and "/". */
function isTokenCode(code: number): boolean {
  return code > space && code < 0x7f && !isDelimiter(code)
}

/** `"(),;<=>?@[\]{}`: the delimiters of RFC 9110, 5.6.2, without ":" and "/". */
function isDelimiter(code: number): boolean {
  return (
    code === quote ||
    code === open ||
    code === close ||
    code === comma ||
    (code >= semicolon && code <= at) ||
    (code >= 0x5b && code <= 0x5d) ||
    code === 0x7b ||
    code === 0x7d
  )
}

/** One for the thread: a parse runs from start to end without a break. */
const scanner = new FieldScanner()
