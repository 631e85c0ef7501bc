/** What kind of field a task's parameter needs, told by its JSON Schema. */
import type { Schema, Task } from './types'

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

export interface Field { name: string; schema: Schema; required: boolean }

/** The fields of a task's form, in the order of its parameters. */
export const fieldsOf = ({ parameters }: Task): Field[] =>
  Object.entries(parameters.properties).map(([name, schema]) => ({ name, schema: plain(schema, parameters.$defs), required: parameters.required.includes(name) }))

type Values = Record<string, unknown>

/** What was filled in; what was left empty takes the task's own default. */
export const filledIn = (values: Values): Values =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== ''))

export const lacksRequired = (task: Task, values: Values): boolean => fieldsOf(task).some((one) => one.required && !(one.name in filledIn(values)))
