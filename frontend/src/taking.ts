/** Who takes runs from the queues. */
import { computed } from 'vue'

import { topics } from './live'
import type { Program } from './types'

const takes = (one: Program): boolean => one.kind === 'worker' && !one.draining && one.state !== 'dead'
/** Whether, once *one* takes no more, nobody does. */
export const isLastTaker = (one: Program): boolean => !(topics.programs ?? []).some((other) => other.name !== one.name && takes(other))
/** True where the programs are known and no worker among them takes a run: those that are queued wait. */
export const nobodyTakes = computed(() => topics.programs !== null && !topics.programs.some(takes))
