/** What a person chose for this browser: language, theme, and whether to see the first steps. */
import { computed, ref, watchEffect } from 'vue'

export type Language = 'zh' | 'en'
export type Theme = 'auto' | 'light' | 'dark'

export const language = ref<Language>(localStorage.getItem('language') === 'en' ? 'en' : 'zh')
/** The newcomer's list is not to be shown here any more. */
export const stepsHidden = ref(localStorage.getItem('first-steps') === 'hidden')
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
watchEffect(() => stepsHidden.value && localStorage.setItem('first-steps', 'hidden'))
