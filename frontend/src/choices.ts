/** What a person chose for this browser: language and theme. */
import { computed, ref, watchEffect } from 'vue'

export type Language = 'zh' | 'en'
export type Theme = 'auto' | 'light' | 'dark'

export const language = ref<Language>(localStorage.getItem('language') === 'en' ? 'en' : 'zh')
export const theme = ref<Theme>((localStorage.getItem('theme') as Theme | null) ?? 'auto')

const system = window.matchMedia('(prefers-color-scheme: dark)')
const systemDark = ref(system.matches)
system.addEventListener('change', (event) => (systemDark.value = event.matches))
export const dark = computed(() => (theme.value === 'auto' ? systemDark.value : theme.value === 'dark'))

watchEffect(() => {
  localStorage.setItem('language', language.value)
  document.documentElement.lang = language.value === 'zh' ? 'zh-Hant' : 'en'
})
watchEffect(() => {
  localStorage.setItem('theme', theme.value)
  document.documentElement.dataset.theme = dark.value ? 'dark' : 'light'
})
