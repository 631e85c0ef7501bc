/** What the address says: filters live there, so that a link shows the same and "back" goes back. */
import { nextTick, onBeforeUnmount, ref, watch, type Ref } from 'vue'
import { onBeforeRouteLeave, useRoute, useRouter } from 'vue-router'

/** Reads a name of the query, null where it is absent. For a component's setup. */
export function useAddress(): (name: string) => string | null {
  const route = useRoute()
  return (name) => (typeof route.query[name] === 'string' ? route.query[name] : null)
}

const PAUSE = 250

/**
 * Acts once somebody pauses to change the filter, and never once the page is being left: an address that is written
 * while the next page still loads would bring its reader back.
 */
export function whenPaused(filter: object, act: () => void): void {
  let timer = 0
  const forget = (): void => window.clearTimeout(timer)
  watch(filter, () => {
    forget()
    timer = window.setTimeout(act, PAUSE)
  })
  onBeforeRouteLeave(forget)
  onBeforeUnmount(forget)
}

/** What several words of one page have become in one turn: they are written together, or the last would undo the rest. */
let changed: Record<string, string | undefined> = {}

/** A word that lives in the address under *name*, where its usual value is not written. For a component's setup. */
export function inAddress(name: string, usual: string): Ref<string> {
  const router = useRouter()
  const route = useRoute()
  const word = ref(useAddress()(name) ?? usual)
  watch(word, (value) => {
    const begun = Object.keys(changed).length > 0
    changed[name] = value === usual ? undefined : value
    if (begun) return
    void nextTick(() => {
      const query = { ...route.query, ...changed }
      changed = {}
      void router.replace({ query })
    })
  })
  return word
}
