/**
 * Requests to the REST interface. Every failure is an ApiError whose message is to be shown (parts/Refusal.vue): what it
 * is and what to do, in the page's language; on a second line what the server says, which names the very thing.
 */
import { expired } from './session'
import type { Health } from './types'
import { maybe, t } from './words'

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly kind: string,
    message: string,
    /** Seconds, when the server says how long to wait. */
    readonly retryAfter: number | null = null,
  ) {
    super(message)
  }
}

/** Of these the server's sentence says no more than the page's own words. */
const WHOLE = new Set(['WrongLogin', 'TooManyAttempts', 'Unexpected'])

type Query = Record<string, string | number | boolean | null | undefined>

/** A path with those of the parameters that are given. */
export function withQuery(path: string, query: Query): string {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== '')
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString()
  return text ? `${path}?${text}` : path
}

async function ask(method: string, path: string, accept: string, body?: unknown): Promise<Response> {
  const headers: Record<string, string> = { Accept: accept }
  // A page of another site cannot send this header: that is the protection against forged requests.
  if (method !== 'GET') headers['X-QuantLab'] = '1'
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  try {
    return await fetch(path, { method, headers, body: body === undefined ? null : JSON.stringify(body) })
  } catch {
    throw new ApiError(0, 'Offline', t('offline'))
  }
}

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const reply = await ask(method, path, 'application/json', body)
  if (reply.status === 204) return undefined as T
  const said: unknown = await reply.json().catch(() => undefined)
  if (reply.ok) {
    // Cut off on the way, or a proxy's own page: nothing that a panel could show.
    if (said === undefined) throw new ApiError(reply.status, 'CutOff', t('cut_off'))
    return said as T
  }
  throw refused(reply, path, said)
}

/** How each server and program is. It is 503 while PostgreSQL or Redis is away, and says which: that is its answer. */
export async function getHealth(): Promise<Health> {
  const reply = await ask('GET', '/health', 'application/json')
  const said = (await reply.json().catch(() => null)) as Partial<Health> | null
  if (!said?.findings) throw refused(reply, '/health', said)
  return said as Health
}

function refused(reply: Response, path: string, said: unknown): ApiError {
  const { error, message, facts } = (said ?? {}) as { error?: string; message?: string; facts?: Record<string, string | number> }
  if (reply.status === 401 && !path.endsWith('/login')) expired.value = true
  const wait = Number(reply.headers.get('Retry-After'))
  const sentence = message ?? t('no_sentence', { status: reply.status })
  const headline = maybe(`e_${error}`, '', facts)
  const whole = WHOLE.has(error ?? '') ? headline : [headline, sentence].filter(Boolean).join('\n')
  return new ApiError(reply.status, error ?? 'HTTPError', whole, wait || null)
}

/** A change that says how far it is, a JSON object a line: each is handed on, the last one is the answer. */
export async function watched<T extends object>(path: string, told: (line: Partial<T> & { done?: number; total?: number }) => void): Promise<T> {
  const reply = await ask('POST', path, 'application/x-ndjson')
  if (!reply.ok || !reply.body) throw refused(reply, path, await reply.json().catch(() => null))
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  let last: unknown = null
  for (;;) {
    // Cut off amid the work: nobody knows what it came to.
    const { value, done } = await reader.read().catch(() => { throw new ApiError(0, 'Offline', t('offline')) })
    if (done) break
    const lines = (text + value).split('\n')
    text = lines.pop() ?? ''
    for (const line of lines) {
      last = JSON.parse(line)
      told(last as Partial<T>)
    }
  }
  if (last === null || 'error' in (last as object)) throw refused(reply, path, last)
  return last as T
}

export const get = <T>(path: string, query: Query = {}): Promise<T> => call<T>('GET', withQuery(path, query))
export const post = <T>(path: string, body: unknown = {}): Promise<T> => call<T>('POST', path, body)
export const put = <T>(path: string, body: unknown): Promise<T> => call<T>('PUT', path, body)
export const patch = <T>(path: string, body: unknown): Promise<T> => call<T>('PATCH', path, body)
export const remove = <T>(path: string): Promise<T> => call<T>('DELETE', path)
