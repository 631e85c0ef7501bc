/** What a quarantined row's reason speaks of: it names fields and columns, and quotes what stands in them. As `quarantine show` tells it. */
import { asText } from './format'

export const PRICES = ['open', 'high', 'low', 'close', 'change']
/** Digits of a count that is hardly in a sentence by chance. */
const LONG = 4

export interface Cell { name: string; text: string; inQuestion: boolean }

const numberOf = (text: string): number | null => {
  const plain = text.trim().replaceAll(',', '')
  return plain !== '' && Number.isFinite(Number(plain)) ? Number(plain) : null
}
const first = (cells: Cell[]): Cell[] => [...cells].sort((one, other) => Number(other.inQuestion) - Number(one.inQuestion))

/** The cells as they came and the values as they were read, those in question first. */
export function inQuestion(reason: string, raw: Record<string, unknown>, parsed: Record<string, unknown>): { cells: Cell[]; values: Cell[] } {
  const words = new Set((reason.match(/[^\s'"…]+/g) ?? []).map((word) => word.replace(/^[.,;:()]+|[.,;:()]+$/g, '')))
  const numbers = new Set([...words].map(numberOf).filter((number) => number !== null))
  const quotes = (text: string): boolean => {
    const number = numberOf(text)
    return number !== null && numbers.has(number)
  }
  const cells = Object.entries(raw).map(([name, value]) => {
    const text = asText(value)
    const quoted = words.has(text.trim()) && !(/^\d+$/.test(text) && text.length < LONG)
    return { name, text, inQuestion: text !== '' && text !== '–' && (words.has(name) || quoted || (text.includes('.') && quotes(text))) }
  })
  const values = Object.entries(parsed).map(([name, value]) => {
    // Prices in TWD: the ledger has them in 1/10,000.
    const text = asText(PRICES.includes(name) && typeof value === 'number' ? value / 10_000 : value)
    return { name, text, inQuestion: words.has(name) || (PRICES.includes(name) && quotes(text)) }
  })
  return { cells: first(cells), values: first(values) }
}
