/** Requests to the REST interface. Every failure is an ApiError whose message is a sentence to show. */
import { expired } from './session'
import { t } from './words'

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

type Query = Record<string, string | number | boolean | null | undefined>

/** A path with those of the parameters that are given. */
export function withQuery(path: string, query: Query): string {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== '')
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString()
  return text ? `${path}?${text}` : path
}

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = { Accept: 'application/json' }
  // A page of another site cannot send this header: that is the protection against forged requests.
  if (method !== 'GET') headers['X-QuantLab'] = '1'
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  let reply: Response
  try {
    reply = await fetch(path, { method, headers, body: body === undefined ? null : JSON.stringify(body) })
  } catch {
    throw new ApiError(0, 'Offline', t('offline'))
  }
  if (reply.status === 204) return undefined as T
  const said: unknown = await reply.json().catch(() => null)
  if (reply.ok) return said as T
  const { error, message } = (said ?? {}) as { error?: string; message?: string }
  if (reply.status === 401 && !path.endsWith('/login')) expired.value = true
  const wait = Number(reply.headers.get('Retry-After'))
  throw new ApiError(reply.status, error ?? 'HTTPError', message ?? t('no_sentence', { status: reply.status }), wait || null)
}

export const get = <T>(path: string, query: Query = {}): Promise<T> => call<T>('GET', withQuery(path, query))
export const post = <T>(path: string, body: unknown = {}): Promise<T> => call<T>('POST', path, body)
export const put = <T>(path: string, body: unknown): Promise<T> => call<T>('PUT', path, body)
export const patch = <T>(path: string, body: unknown): Promise<T> => call<T>('PATCH', path, body)
export const remove = <T>(path: string): Promise<T> => call<T>('DELETE', path)
