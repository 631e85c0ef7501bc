/** The shapes of the REST interface that the page reads; /docs has them whole. Instants are ISO text, prices exact text. */
export type State =
  | 'QUEUED' | 'STARTED' | 'RETRY' | 'SUCCESS' | 'PARTIAL' | 'FAILED' | 'SKIPPED' | 'CANCELLED' | 'LOST'
export type Trigger = 'schedule' | 'manual' | 'api' | 'retry'
export type Venue = 'TWSE' | 'TPEX' | 'EMERGING'
export type Prices = 'synthetic' | 'replay' | 'real'

export interface Me {
  name: string
  role: 'viewer' | 'admin'
  expires_at: string
  source: 'sandbox' | 'exchange'
  prices: Prices
  version: string
}

export interface Counts {
  expected: number | null
  fetched: number | null
  stored: number | null
  unchanged: number | null
  quarantined: number | null
}

/** A sentence of the server as a code and its facts; a list: a fact that is sentences itself. */
export interface Said {
  code: string
  facts: Record<string, string | number | (Said | string)[]>
}

export interface Run {
  id: string
  task: string
  parameters: Record<string, unknown>
  trigger: Trigger
  state: State
  reason: string | null
  said: Said | null
  queued_at: string
  started_at: string | null
  finished_at: string | null
  worker: string | null
  attempts: number
  losses: number
  schedule: string | null
  due_at: string | null
  late_seconds: number | null
  run_after: string | null
  cancel_by: string | null
  paused_by: string | null
  retry_of: string | null
  counts: Counts
  progress: { done: number; total: number; what: string; said: Said | null } | null
  error_type: string | null
  error: string | null
}

export interface Unit {
  dataset: string
  venue: Venue
  scope: string
  session: string | null
  state: State
  reason: string | null
  said: Said | null
  counts: Counts
  error_type: string | null
  error: string | null
  finished_at: string
}

export interface RunReply {
  run: Run
  units: Unit[]
  traceback: string | null
  started_by: string | null
  retried_by: string[]
}

export interface RunsReply {
  runs: Run[]
  total: number
  next_before: string | null
}

/** The part of JSON Schema that task parameters use. */
export interface Schema {
  type?: string
  format?: string
  enum?: string[]
  const?: unknown
  anyOf?: Schema[]
  items?: Schema
  default?: unknown
  minimum?: number
  maximum?: number
  description?: string
  examples?: string[]
  $ref?: string
}

export interface Task {
  name: string
  summary: string
  queue: string
  schedules: string[]
  next_fires: string[]
  parameters: { properties: Record<string, Schema>; required: string[]; $defs?: Record<string, Schema> }
}

export interface Finding {
  name: string
  level: 'ok' | 'unknown' | 'warning' | 'error'
  detail: string
  said: Said | null
  remedy: string | null
  programs: { name: string; state: string }[]
}

export interface Health {
  status: 'ok' | 'degraded' | 'down'
  findings: Finding[]
}

export interface Incident {
  id: number
  rule: string
  subject: string
  sentence: string
  said: Said | null
  opened_at: string
  closed_at: string | null
}

/** Whether people can be told, without any address. */
export interface Channels {
  channels: string[]
  wrong: string[]
}

export interface Covered {
  dataset: string
  venue: Venue
  session: string
  expected: number
  held: number
  /** Of the held ones: those of which a newer version waits in quarantine. */
  newer_waiting: number
  quarantined: number
  explained: Record<string, number>
  missing: number
  share: number | null
  recorded_at: string
}

export interface Ready {
  dataset: string
  session: string
  ready: boolean
  reason: string
  said: Said | null
  shares: Record<string, number | null>
  ready_at: string | null
}

export interface Cost {
  asks: boolean
  requests: Record<string, number>
  minutes: number
  measured: boolean
}

export interface Backfill {
  run: string
  state: 'QUEUED' | 'STARTED' | 'RETRY'
  start: string
  end: string
  venue: Venue | null
  paused_by: string | null
  units: number
  minutes: number
}

export interface CatchUp {
  steps: { dataset: string; venue: Venue | null; sessions: string[]; requests: number; minutes: number }[]
  requests: Record<string, number>
  minutes: number
  measured: boolean
  left_for_later: number
  run: string | null
  paused: boolean
  paused_by: string | null
  next_at: string | null
}

export interface Security {
  symbol: string
  name: string
  venue: Venue
  kind: string
  industry: string | null
  listed_on: string | null
  delisted_on: string | null
  on_list: boolean
}

export interface Bar {
  session: string
  open: string | null
  high: string | null
  low: string | null
  close: string | null
  change: string | null
  volume: number | null
  turnover: number | null
  trades: number | null
}

export interface Action {
  symbol: string
  ex_date: string
  kind: string
  previous_close: string | null
  reference_price: string | null
}

export interface Revision {
  symbol: string
  session: string
  field: string
  old: string | null
  new: string | null
  seen_at: string
}

export interface ScheduleParts {
  enabled: boolean
  timing: string
  parameters: Record<string, unknown>
  misfire: 'skip' | 'latest' | 'all'
  late_limit: number | null
}

export interface Schedule extends ScheduleParts {
  name: string
  task: string
  words: string
  defaults: ScheduleParts
  overrides: Partial<ScheduleParts>
  changed_by: string | null
  changed_at: string | null
  next_fires: string[]
}

export interface Day {
  day: string
  is_session: boolean
  reason: string | null
  overridden_by: string | null
}

export interface Quarantined {
  id: number
  venue: Venue
  dataset: string
  session: string | null
  symbol: string | null
  rule: string
  reason: string
  severity: 'blocking' | 'warning'
  raw: Record<string, unknown>
  parsed: Record<string, unknown> | null
  seen_at: string
  decision: string | null
  decided_by: string | null
  note: string | null
}

export interface QuarantineReply {
  total: number
  by_rule: Record<string, number>
  rows: Quarantined[]
  next_after: number | null
}

export interface Promised {
  subject: string
  when: string
  kept: boolean | null
  lacking: string[]
  said: (Said | null)[]
  when_said: Said | null
  last_due: string | null
}

export interface Site {
  site: string
  pace: number
  closed_since: string | null
  closed_until: string | null
  closed_because: string | null
  rests: string | null
}

export interface Difference {
  source: string
  symbol: string
  session: string
  field: string
  ours: string | number | null
  theirs: string | number | null
}

export interface Snapshot {
  sessions_not_held: number | null
  kind: string
  name: string
  current: boolean
  rolled_back_to: boolean
  whole: boolean
  exported_at: string | null
  bars: number | null
  securities: number | null
  first_session: string | null
  last_session: string | null
  files: number | null
  bytes: number | null
}

export interface User {
  name: string
  role: 'viewer' | 'admin'
  created_at: string
  password_at: string
  disabled_at: string | null
}

export interface Login {
  id: number
  name: string
  created_at: string
  seen_at: string
  address: string | null
  agent: string | null
  this: boolean
}

export interface Token {
  id: number
  name: string
  scope: 'read' | 'admin'
  created_by: string
  created_at: string
  expires_on: string | null
  used_at: string | null
}

export interface Audited {
  id: number
  at: string
  who: string
  via: string
  action: string
  subject: string
  before: Record<string, unknown> | null
  after: Record<string, unknown> | null
  outcome: 'begun' | 'done' | 'failed'
  error: string | null
}

/** Of the live topic `programs`. */
export interface Program {
  draining?: boolean | null
  pool?: string | null
  kind: string
  name: string
  state: string
  busy: number | null
  slots: number | null
}

export interface TaskStats {
  task: string
  total: number
  by_state: Partial<Record<State, number>>
  seconds: number | null
  last_queued_at: string
  last_success_at: string | null
}

export interface LogLine {
  id: number
  at: string
  level: 'DEBUG' | 'INFO' | 'SUCCESS' | 'WARNING' | 'ERROR' | 'CRITICAL'
  host: string
  program: string
  pid: number
  task: string | null
  run_id: string | null
  module: string
  message: string
  traceback: string | null
}

export interface LogsReply {
  lines: LogLine[]
  next_before: number | null
  last_id: number
}

export interface Remainder {
  task: string
  parameters: Record<string, unknown>
  succeeded: number
  left: number
  units: Unit[]
  not_begun: boolean
}

export interface TimelineRun {
  id: string
  task: string
  state: State
  worker: string | null
  queued_at: string
  started_at: string | null
  finished_at: string | null
  counts: Counts
}

export interface TimelineReply {
  runs: TimelineRun[]
  cut: boolean
}

export interface Series {
  subject: string
  at: string[]
  values: number[]
}

export interface ReadingsReply {
  since: string
  until: string
  series: Series[]
}
