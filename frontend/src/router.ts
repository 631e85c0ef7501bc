/** A deep link for everything; each panel is a chunk of its own, loaded when it is first looked at. */
import {
  Activity, CalendarClock, Database, Gauge, Grid3x3, ListChecks, PackageOpen, RefreshCw, ScrollText, Settings, ShieldCheck, type LucideIcon,
} from '@lucide/vue'
import { createRouter, createWebHistory, type RouteRecordRaw } from 'vue-router'

import { mayChange } from './session'
import type { Word } from './words'

export interface Panel {
  path: string
  word: Word
  icon: LucideIcon
}

/** The navigation, in its order. */
export const PANELS: Panel[] = [
  { path: '/overview', word: 'overview', icon: Gauge },
  { path: '/sync', word: 'sync', icon: RefreshCw },
  { path: '/runs', word: 'runs', icon: ListChecks },
  { path: '/schedules', word: 'schedules', icon: CalendarClock },
  { path: '/data', word: 'data', icon: Database },
  { path: '/coverage', word: 'coverage', icon: Grid3x3 },
  { path: '/quality', word: 'quality', icon: ShieldCheck },
  { path: '/monitoring', word: 'monitoring', icon: Activity },
  { path: '/logs', word: 'logs', icon: ScrollText },
  { path: '/exports', word: 'exports', icon: PackageOpen },
  { path: '/settings', word: 'settings', icon: Settings },
]

const routes: RouteRecordRaw[] = [
  { path: '/', redirect: '/overview' },
  { path: '/overview', component: () => import('./panels/Overview.vue') },
  { path: '/sync', component: () => import('./panels/Sync.vue') },
  { path: '/runs', component: () => import('./panels/Runs.vue') },
  { path: '/runs/:id', component: () => import('./panels/OneRun.vue'), props: true },
  { path: '/schedules', component: () => import('./panels/Schedules.vue') },
  { path: '/data', component: () => import('./panels/Securities.vue') },
  { path: '/data/:symbol', component: () => import('./panels/OneSecurity.vue'), props: true },
  { path: '/coverage', component: () => import('./panels/Coverage.vue') },
  { path: '/quality', component: () => import('./panels/Quality.vue') },
  { path: '/monitoring', component: () => import('./panels/Monitoring.vue') },
  { path: '/logs', component: () => import('./panels/Logs.vue') },
  { path: '/exports', component: () => import('./panels/Exports.vue') },
  {
    path: '/settings',
    component: () => import('./panels/Settings.vue'),
    redirect: () => (mayChange.value ? '/settings/users' : '/settings/account'),
    children: [
      { path: 'users', component: () => import('./panels/settings/Users.vue') },
      { path: 'tokens', component: () => import('./panels/settings/Tokens.vue') },
      { path: 'alerting', component: () => import('./panels/settings/Alerting.vue') },
      { path: 'audit', component: () => import('./panels/settings/Audit.vue') },
      { path: 'account', component: () => import('./panels/settings/Account.vue') },
    ],
  },
  { path: '/:rest(.*)*', component: () => import('./panels/NotFound.vue') },
]

export const router = createRouter({ history: createWebHistory('/admin'), routes })
