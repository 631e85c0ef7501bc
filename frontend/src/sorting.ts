/** Order in a table that is wholly in the page; the order lives in the address. */
import { computed, type ComputedRef, type Ref } from 'vue'

import { inAddress } from './address'

type Value = string | number | boolean | null | undefined

/** *rows* by the column that is chosen; *columns* say what each sorts by. What has no value comes last. */
export function sorting<Row>(
  name: string, usual: string, columns: Record<string, (row: Row) => Value>, rows: () => readonly Row[],
): { order: Ref<string>; sorted: ComputedRef<Row[]> } {
  const order = inAddress(name, usual)
  const sorted = computed(() => {
    const of = columns[order.value.replace(/^-/, '')]
    const sign = order.value.startsWith('-') ? -1 : 1
    return of ? [...rows()].sort((one, other) => compare(of(one), of(other), sign)) : [...rows()]
  })
  return { order, sorted }
}

function compare(one: Value, other: Value, sign: number): number {
  const [no, nor] = [one ?? null, other ?? null]
  if (no === null || nor === null) return Number(no === null) - Number(nor === null)
  return sign * (typeof no === 'string' ? no.localeCompare(String(nor)) : Number(no) - Number(nor))
}
