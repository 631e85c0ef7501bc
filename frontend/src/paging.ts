/** A list that is read a page at a time: each from where the one before ended, so that no row shows twice. */
import { computed, ref, type ComputedRef } from 'vue'

import { loading, type Loaded } from './loading'

export type Mark = string | number

export interface Pages<T> extends Loaded<T> {
  /** Whether there is a page before this one. */
  turned: ComputedRef<boolean>
  /** To the page after *mark*; without one to the page before. */
  turn: (mark: Mark | null) => void
  /** The first page, read anew. */
  begin: () => Promise<void>
}

export function paging<T>(read: (after: Mark | undefined) => Promise<T>): Pages<T> {
  const marks = ref<Mark[]>([])
  const page = loading(() => read(marks.value.at(-1)))
  function turn(mark: Mark | null): void {
    marks.value = mark === null ? marks.value.slice(0, -1) : [...marks.value, mark]
    void page.load()
  }
  function begin(): Promise<void> {
    marks.value = []
    return page.load()
  }
  return { ...page, turned: computed(() => marks.value.length > 0), turn, begin }
}
