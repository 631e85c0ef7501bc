/** What kind of field a task's parameter needs, told by its JSON Schema. */
import type { Schema } from './types'

export type Kind = 'symbols' | 'list' | 'choice' | 'switch' | 'number' | 'day' | 'text'

/** The schema without the `null` and the references that stand for "may be left out". */
export function plain(schema: Schema, defs: Record<string, Schema> = {}): Schema {
  const { anyOf, $ref, ...rest } = schema
  const target = $ref ? defs[$ref.split('/').at(-1) ?? ''] : undefined
  const inner = anyOf?.find((one) => one.type !== 'null')
  return { ...(target && plain(target, defs)), ...(inner && plain(inner, defs)), ...rest }
}

export function kindOf(name: string, schema: Schema): Kind {
  if (name === 'stock_ids') return 'symbols'
  if (schema.type === 'array') return 'list'
  if (schema.enum ?? schema.examples) return 'choice'
  if (schema.type === 'boolean') return 'switch'
  if (schema.type === 'integer' || schema.type === 'number') return 'number'
  return schema.format === 'date' ? 'day' : 'text'
}
