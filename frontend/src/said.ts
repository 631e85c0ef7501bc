/** The server's sentences in the page's language; one that has no code, or a new one, stays as it is. */
import { language } from './choices'
import { count, datasetName, taskName } from './format'
import type { Said } from './types'
import { maybe } from './words'

/** How facts of such a name are said. */
const NAMES: Record<string, (text: string) => string> = {
  dataset: datasetName,
  task: taskName,
  state: (text) => maybe(text, text),
  program: (text) => maybe(`k_${text}`, text),
}

export function saying(said: Said | string | null, sentence: string | null): string {
  if (said === null) return sentence ?? ''
  if (typeof said === 'string') return said
  const facts = Object.fromEntries(Object.entries(said.facts).map(([name, fact]) => [name, text(name, fact)]))
  return maybe(`say_${said.code}`, sentence ?? said.code, facts)
}

function text(name: string, fact: Said['facts'][string]): string {
  if (typeof fact === 'number') return count(fact)
  if (typeof fact === 'string') return NAMES[name]?.(fact) ?? fact
  return fact.map((one) => saying(one, null)).join(language.value === 'zh' ? '；' : '; ')
}

/** How many units of a run succeeded, of how many, as its reason tells; null where none failed. */
export function unitsOf(said: Said | null): { done: number; total: number } | null {
  if (said?.code !== 'units_failed') return null
  const [total, failed, short] = ['total', 'failed', 'short'].map((name) => Number(String(said.facts[name]).replaceAll(',', ''))) as [number, number, number]
  return { done: total - failed - short, total }
}
