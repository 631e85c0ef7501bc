/** Numbers, instants and durations as a person reads them. All times are Taipei's. */
import { ref } from 'vue'

import { language } from './choices'
import type { Incident } from './types'
import { maybe, t } from './words'

/** Milliseconds; turns each second, so that "12 s ago" stays true. */
export const now = ref(Date.now())
window.setInterval(() => (now.value = Date.now()), 1000)

const zone = { timeZone: 'Asia/Taipei' } as const
const stamp = new Intl.DateTimeFormat('sv-SE', { ...zone, dateStyle: 'short', timeStyle: 'medium' })
const dayOf = new Intl.DateTimeFormat('sv-SE', { ...zone, dateStyle: 'short' })

/** `2026-11-23 21:00:05` */
export const instant = (text: string | null): string => (text ? stamp.format(new Date(text)) : '')
/** `21:00`, with the day unless it is today. */
export function brief(text: string | null): string {
  if (!text) return ''
  const whole = instant(text)
  return whole.slice(0, 10) === today() ? whole.slice(11, 16) : whole.slice(5, 16)
}
/** Today in Taipei, `2026-11-23`. */
export const today = (): string => dayOf.format(new Date(now.value))
/** The day so many calendar days before another. */
export function daysBefore(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) - days * 86_400_000).toISOString().slice(0, 10)
}

export const count = (value: number | null | undefined): string =>
  value === null || value === undefined ? '–' : value.toLocaleString('en-US')

/** A price as it is published, exact text, with separators of thousands: `1,085.5`. */
export function price(text: string | null): string {
  if (text === null) return '–'
  const [whole = '', rest] = text.split('.')
  return whole.replace(/\B(?=(\d{3})+$)/g, ',') + (rest === undefined ? '' : `.${rest}`)
}
/** The same of a change: a rise has its sign, too. */
export const signed = (text: string | null): string => (Number(text) > 0 ? `+${price(text)}` : price(text))
/** Shares as lots of a thousand. */
export const lotsOf = (shares: number | null): number | null => (shares === null ? null : Math.round(shares / 1000))

export function percent(share: number | null | undefined, digits = 1): string {
  if (share === null || share === undefined) return '–'
  // Never round up to a whole that it is not.
  const floored = Math.floor(share * 100 * 10 ** digits) / 10 ** digits
  return share === 1 ? '100%' : `${floored.toFixed(digits)}%`
}

/** `123 MB` */
export function bytes(value: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB']
  let place = 0
  while (value >= 1024 && place < units.length - 1) {
    value /= 1024
    place++
  }
  return `${value < 10 && place > 1 ? value.toFixed(1) : Math.round(value)} ${units[place]}`
}

export function duration(seconds: number): string {
  if (seconds < 10) return `${Math.max(seconds, 0).toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  const two = (value: number): string => String(value).padStart(2, '0')
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`
  return `${Math.floor(whole / 3600)}h ${two(Math.floor((whole % 3600) / 60))}m`
}

/** A value of any kind as it is; a dash where it is absent. */
export const asText = (value: unknown): string => (value === null || value === undefined ? '–' : String(value))

/** A length of a plan, told in minutes: `0.2` is `12 seconds`. */
export const lengthOf = (minutes: number): string =>
  minutes < 1 ? t('n_seconds', { n: Math.max(Math.round(minutes * 60), 1) }) : t('n_minutes', { n: minutes < 10 ? minutes.toFixed(1) : Math.round(minutes) })

export function secondsBetween(start: string | null, end: string | null): number | null {
  return start ? ((end ? Date.parse(end) : now.value) - Date.parse(start)) / 1000 : null
}

export function ago(text: string): string {
  const seconds = (now.value - Date.parse(text)) / 1000
  if (seconds < 5) return t('just_now')
  if (seconds < 60) return t('ago_s', { n: Math.floor(seconds) })
  if (seconds < 3600) return t('ago_m', { n: Math.floor(seconds / 60) })
  if (seconds < 86_400) return t('ago_h', { n: Math.floor(seconds / 3600) })
  return t('ago_d', { n: Math.floor(seconds / 86_400) })
}

export const shortName = (task: string): string => task.replace('app.tasks.', '')
export const taskName = (task: string): string => maybe(`n_${shortName(task)}`, shortName(task))
/** Parameters in a line: `天數 3 · 股票組合 popular_10`. */
export const inLine = (parameters: Record<string, unknown>): string =>
  Object.entries(parameters).map(([name, value]) => `${maybe(`p_${name}`, name)} ${Array.isArray(value) ? value.join(', ') : String(value)}`).join(' · ')
export const datasetName = (dataset: string): string => maybe(`d_${dataset}`, dataset)
/** What an incident or a promise is about, in the page's language. */
export function subjectName(subject: string): string {
  const task = maybe(`n_${shortName(subject)}`, '')
  const [, what, venue] = /^(.+?)(?: figures)? of (\S+)$/.exec(subject) ?? []
  const dataset = what && maybe(`d_${what.replace(' ', '_')}`, '')
  return task || (dataset ? `${dataset} ${venue}` : maybe(`k_${subject}`, subject))
}
export const incidentName = (incident: Incident): string =>
  maybe(`r_${incident.rule}`, incident.rule, { subject: subjectName(incident.subject) })

const CHINESE: [RegExp, (found: RegExpMatchArray) => string][] = [
  [/^daily (\d\d:\d\d)$/, (found) => `每日 ${found[1]}`],
  [/^hourly at :(\d\d)$/, (found) => `每小時 ${found[1]} 分`],
  [/^trading days (\d\d:\d\d)$/, (found) => `交易日 ${found[1]}`],
  [/^\*\/(\d+) \S+ \* \* \* in trading sessions, (.+)$/, (found) => `交易日 ${found[2]} 每 ${found[1]} 分`],
  [/^every (\d+) h$/, (found) => `每 ${found[1]} 小時`],
  [/^every (\d+) min$/, (found) => `每 ${found[1]} 分鐘`],
  [/^every (\d+) s$/, (found) => `每 ${found[1]} 秒`],
  [/^at the (open|close) of each session$/, (found) => `交易日${found[1] === 'open' ? '開盤' : '收盤'}時`],
  [
    /^(\d+) min (after|before) the (open|close) of each session$/,
    (found) => `交易日${found[3] === 'open' ? '開盤' : '收盤'}${found[2] === 'after' ? '後' : '前'} ${found[1]} 分`,
  ],
]

/** A schedule's words; the server says them in English, and what has no translation stays so. */
export function schedule(words: string): string {
  if (language.value === 'en') return words
  if (words.startsWith('paused: ')) return `${t('paused')}：${schedule(words.slice(8))}`
  for (const [pattern, say] of CHINESE) {
    const found = words.match(pattern)
    if (found) return say(found)
  }
  return words
}
