/** Cold. The numbers in an array of this size, at least as large; the new ones are 0. */
export function widened(numbers: Float64Array, size: number): Float64Array<ArrayBuffer> {
  const array = new Float64Array(size)
  array.set(numbers)
  return array
}
