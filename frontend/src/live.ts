/** The page's one WebSocket. After each (re)connection every topic comes whole, so nothing can be missed. */
import { computed, ref, shallowReactive, watch } from 'vue'

import { expired } from './session'
import type { Program, Run } from './types'

const TOPICS = ['runs', 'programs', 'alerts', 'queues'] as const
type Topic = keyof Topics
const WAITS = [500, 1000, 2000, 4000, 8000]
const NO_SESSION = 4401

export const connected = ref(false)
interface Topics {
  runs: Run[]
  programs: Program[] | null
  alerts: { id: number }[] | null
  /** Queue → priority → messages that wait. */
  queues: Record<string, Record<string, number>> | null
  /** The number of the newest line of the logs; told once somebody wants to hear it. */
  logs: number | null
}

/** The newest snapshot of each topic, as it came; `runs` are the newest fifty. */
export const topics = shallowReactive<Topics>({
  runs: [],
  programs: null,
  alerts: null,
  queues: null,
  logs: null,
})

/** Whether the runs were told yet: there may be none. */
const told = ref(false)
/** Changes whenever a run begins or ends, not with its progress; null until they are told. */
const stage = computed(() => (told.value ? topics.runs.map((run) => run.id + run.state).join() : null))

/** Refresh now, and whenever a run has begun or ended: once for many that come together. For a component's setup. */
export function withRuns(refresh: () => unknown): void {
  let timer = 0
  refresh()
  watch(stage, (_, before) => {
    // The first snapshot after the page was opened says nothing new.
    if (before === null) return
    window.clearTimeout(timer)
    timer = window.setTimeout(refresh, 200)
  })
}

const wanted = new Set<Topic>(TOPICS)
let socket: WebSocket | null = null
let tries = 0
let timer = 0

/** From now on this topic, too, which not every panel needs. */
export function alsoHear(topic: Topic): void {
  if (wanted.has(topic)) return
  wanted.add(topic)
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ subscribe: [topic] }))
}

export function connect(): void {
  window.clearTimeout(timer)
  socket?.close()
  const mine = new WebSocket(`${location.origin.replace(/^http/, 'ws')}/api/v1/live`)
  socket = mine
  mine.onopen = () => mine.send(JSON.stringify({ subscribe: [...wanted] }))
  mine.onmessage = (event: MessageEvent<string>) => {
    connected.value = true
    tries = 0
    const { topic, data } = JSON.parse(event.data) as { topic: Topic; data: never }
    topics[topic] = data
    if (topic === 'runs') told.value = true
  }
  mine.onclose = (event) => {
    if (socket !== mine) return
    connected.value = false
    socket = null
    if (event.code === NO_SESSION) expired.value = true
    else timer = window.setTimeout(connect, WAITS[Math.min(tries++, WAITS.length - 1)])
  }
}

export function disconnect(): void {
  window.clearTimeout(timer)
  const old = socket
  socket = null
  old?.close()
  connected.value = false
}
