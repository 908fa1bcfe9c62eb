export interface Axis {
  readonly label: string
  readonly min: number
  readonly max: number
  readonly scale: "linear" | "log"
  /** A tick's number as a person reads it. */
  format(this: void, value: number): string
}

/** Whether the axis has the value, but for what rounding adds or takes away. */
export function isWithin({ min, max }: Pick<Axis, "min" | "max">, value: number): boolean {
  const slack = 1e-9 * Math.max(Math.abs(min), Math.abs(max))
  return value >= min - slack && value <= max + slack
}

/** Ticks at round numbers: 1, 2, 5 times powers of ten, about six of them. Of a log axis at least the decades. */
export function ticks({ min, max, scale }: Pick<Axis, "min" | "max" | "scale">): number[] {
  if (scale === "log") {
    const all: number[] = []
    for (let power = Math.floor(Math.log10(min)); power <= Math.log10(max); power++) {
      for (const digit of [1, 2, 5]) {
        const value = Number(`${digit}e${power}`)
        if (isWithin({ min, max }, value)) all.push(value)
      }
    }
    const decades = all.filter((value) => Number.isInteger(Math.log10(value)))
    return all.length > 9 && decades.length > 1 ? decades : all
  }
  const rough = (max - min) / 6
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) ?? 10) * power
  const first = Math.ceil(min / step - 1e-9)
  const last = Math.floor(max / step + 1e-9)
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)))
}
