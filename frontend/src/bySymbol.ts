/** A table of the server's of one security, or of all, in an order of its columns; both stand in the address. */
import { ref, watch, type Ref } from 'vue'

import { inAddress, whenPaused } from './address'
import { get } from './api'
import { paging, type Mark, type Pages } from './paging'

export interface BySymbol<T> {
  order: Ref<string>
  /** What stands in the field; it is asked for once somebody pauses to type. */
  typed: Ref<string>
  page: Pages<T & { next_after: Mark | null }>
}

export function bySymbol<T>(path: string, name: string, first: string): BySymbol<T> {
  const order = inAddress(`${name}_order`, first)
  const symbol = inAddress(`${name}_symbol`, '')
  const typed = ref(symbol.value)
  const page = paging((after) => get<T & { next_after: Mark | null }>(path, { symbol: symbol.value, order: order.value, after, limit: 50 }))
  whenPaused(typed, () => (symbol.value = typed.value.trim()))
  watch([order, symbol], page.begin, { immediate: true })
  return { order, typed, page }
}
