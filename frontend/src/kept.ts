import { shallowRef, watch, type ShallowRef } from 'vue'

/** The last value that there was: a dialog still shows it while it fades away. */
export function kept<T>(source: () => T | null): ShallowRef<T | null> {
  const last = shallowRef<T | null>(source())
  watch(source, (value) => value !== null && (last.value = value))
  return last
}
