/** Who is logged in. `expired` turns true when the server no longer knows the session; the page stays where it is. */
import { computed, ref } from 'vue'

import { ApiError, get, post } from './api'
import type { Me } from './types'

export const me = ref<Me | null>(null)
export const expired = ref(false)
/** False until the server has said who we are. */
export const known = ref(false)
export const mayChange = computed(() => me.value?.role === 'admin')

export async function ask(): Promise<void> {
  try {
    me.value = await get<Me>('/api/v1/me')
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error
  }
  expired.value = false
  known.value = true
}

export async function login(name: string, password: string): Promise<void> {
  await post('/api/v1/login', { name, password })
  await ask()
}

export async function logout(): Promise<void> {
  await post('/api/v1/logout')
  me.value = null
}
