/** Reading from the server: the newest answer wins, a failure is a sentence, what was there stays while it loads. */
import { ref, shallowRef, type Ref, type ShallowRef } from 'vue'

export interface Loaded<T> {
  value: ShallowRef<T | null>
  failure: Ref<string>
  busy: Ref<boolean>
  load: () => Promise<void>
}

export function loading<T>(read: () => Promise<T>): Loaded<T> {
  const value = shallowRef<T | null>(null)
  const failure = ref('')
  const busy = ref(false)
  let asked = 0
  async function load(): Promise<void> {
    const mine = ++asked
    busy.value = true
    try {
      const answer = await read()
      if (mine !== asked) return
      value.value = answer
      failure.value = ''
    } catch (error) {
      if (mine === asked) failure.value = (error as Error).message
    } finally {
      if (mine === asked) busy.value = false
    }
  }
  return { value, failure, busy, load }
}
