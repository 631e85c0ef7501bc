/** The page's words. A key that one language lacks fails the type check; a word in no file cannot be asked for. */
import { computed } from 'vue'

import { language } from '../choices'
import en from './en.json'
import zh from './zh.json'

export type Word = keyof typeof zh
const words: Record<'zh' | 'en', Record<Word, string>> = { zh, en }
const extra: Record<'zh' | 'en', Record<keyof typeof en, string>> = { zh, en }

const chosen = computed(() => words[language.value])

/** The word in the chosen language, with its `{names}` filled in. */
export function t(word: Word, facts: Record<string, string | number> = {}): string {
  return filled(chosen.value[word], facts)
}

/** A word whose key is put together from data; `otherwise` where there is none. */
export function maybe(word: string, otherwise: string, facts: Record<string, string | number> = {}): string {
  const held = (extra[language.value] as Record<string, string>)[word]
  return held === undefined ? otherwise : filled(held, facts)
}

const filled = (text: string, facts: Record<string, string | number>): string =>
  text.replace(/\{(\w+)\}/g, (whole, name: string) => String(facts[name] ?? whole))
