/** Sending a change to the server: busy while it is under way, and what stands in its way is a sentence to show. */
import { ref, type Ref } from 'vue'

export interface Sending {
  busy: Ref<boolean>
  failure: Ref<string>
  /** Does it, unless it is under way already. */
  send: (change: () => Promise<void>) => Promise<void>
}

export function sending(): Sending {
  const busy = ref(false)
  const failure = ref('')
  async function send(change: () => Promise<void>): Promise<void> {
    if (busy.value) return
    busy.value = true
    failure.value = ''
    try {
      await change()
    } catch (error) {
      failure.value = (error as Error).message
    } finally {
      busy.value = false
    }
  }
  return { busy, failure, send }
}
